"""Noisy class means of several views of the images, released once for distribution matching."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.class_batches import NoisyClassMeans

from .accounting import GaussianEvent
from .ledger import PrivacyLedger
from .mechanisms import PrivateRelease
from .records import clipped_class_sums, require_min_records, warn_if_few_records
from .release_file import ReleaseFile

__all__ = ["ClassRelease"]

CLIP = 1.0
PURPOSE = "class sums and counts"
ADVICE = "Raise epsilon, lower views or width, merge classes, or collect more."


class ClassRelease:
    """Releases noisy per-class feature sums once; distribution matching never reads real images again.

    The vector of an image has length 1: the features of all views, and one constant entry that gives the class count.
    The vectors are summed per class and released once with Gaussian noise (:class:`PrivateRelease`). The result is
    stored in a file, so that an interrupted run continues with the same noise. ``release[i]`` gives the means of the
    view of iteration i.

    References:
        Zheng and Li, Differentially Private Dataset Condensation, NDSS workshop 2024.

    Deviation: all images instead of batches, so that the accounting assumes no sampling. Class counts are part of the
        noisy release and not treated as public. The exact number of images never decides whether there is a release: a
        data set is refused by its public number, and a small class causes a warning based on its noisy count.

    Args:
        bank: training images, with patients if they are known.
        views: maps (view number, images) to vectors of length at most 1; its length is the number of views.
        ledger: records the event.
        noise_multiplier: standard deviation of the noise divided by the clip, which is 1.
        file: stores the release.
        public_records: public, rounded number of records.
        count_share: share of a record's squared length that the count uses.

    Raises:
        ValueError: from :meth:`prepare`, if ``public_records`` is missing, or too small for this noise.
        RuntimeError: from ``release[i]`` before :meth:`prepare`; if the file is of another job, unit or delta; if it is
            missing although the ledger says that the sums were released.
    """

    def __init__(
        self,
        bank: ClassBank,
        views: Callable[[int, Tensor], Tensor],
        ledger: PrivacyLedger,
        *,
        noise_multiplier: float,
        file: ReleaseFile,
        public_records: int | None,
        count_share: float = 0.1,
    ) -> None:
        self.bank = bank
        self.views = views
        self.ledger = ledger
        self.event = GaussianEvent(PURPOSE, noise_multiplier)
        budget = {"unit": ledger.unit, "delta": ledger.delta}
        self.file = ReleaseFile(file.path, {**file.job, **budget, "count_share": count_share})
        self.count_share = count_share
        self.public_records = public_records
        self.means: list[Tensor] = []

    def prepare(self) -> None:
        """Release the sums, or read the stored release; the event is in the ledger before the images are read."""
        if self.file.exists():
            stored = self.file.read(self.event)
            sums, lengths = stored["sums"], stored["lengths"].tolist()
            self.ledger.enter(self.event)
        else:
            self.ledger.require_not_released(self.event)
            lengths = self._lengths()
            minimum, unit = self._min_records(lengths), self.ledger.unit
            require_min_records(self.public_records, minimum, self.bank.num_classes, unit, ADVICE)
            self.ledger.enter(self.event)
            clean = clipped_class_sums(self.bank, self._vectors, unit=unit, clip=CLIP)
            sums = PrivateRelease(clean, clip=CLIP, noise_multiplier=self.event.noise_multiplier).draw()
            self.file.write(self.event, {"sums": sums, "lengths": torch.tensor(lengths)})
            warn_if_few_records(self._counts(sums).tolist(), minimum, self.bank.class_names, unit)
        self.ledger.mark_released(self.event)
        self.means = self._means(sums, lengths)
        del self.bank  # from here on no real image is reachable from this object

    def __getitem__(self, iteration: int) -> NoisyClassMeans:
        """Means to match in one iteration; views take turns."""
        if not self.means:
            raise RuntimeError("The class means have not been released yet. Call prepare() first.")
        view = iteration % len(self.means)
        return NoisyClassMeans(iteration, view, self.means[view])

    def _vectors(self, images: Tensor) -> Tensor:
        count = len(self.views)  # type: ignore[arg-type]
        parts = [self.views(view, images) for view in range(count)]
        constant = images.new_full((len(images), 1), math.sqrt(self.count_share))
        return torch.cat([*(part * math.sqrt((1 - self.count_share) / count) for part in parts), constant], dim=1)

    def _lengths(self) -> list[int]:
        blank = torch.zeros((1, *self.bank.image_shape), device=self.bank.device)  # only the shapes matter
        return [self.views(view, blank).shape[1] for view in range(len(self.views))]  # type: ignore[arg-type]

    def _means(self, sums: Tensor, lengths: list[int]) -> list[Tensor]:
        """Means [classes, F] of every view. A count smaller than its noise is replaced by the size of the noise."""
        floor = self.event.noise_multiplier * CLIP / math.sqrt(self.count_share)
        counts = self._counts(sums).clamp_min(floor)
        scale = math.sqrt(len(lengths) / (1 - self.count_share))
        parts = torch.split(sums[:, :-1], lengths, dim=1)
        return [(part * scale / counts[:, None]).float() for part in parts]

    def _counts(self, sums: Tensor) -> Tensor:
        """Noisy number of records of every class [classes]."""
        return sums[:, -1] / math.sqrt(self.count_share)

    def _min_records(self, lengths: list[int]) -> int:
        """Records per class at which a class mean is as long as its noise, in the directions that an image can follow.

        An image has at most as many directions as pixels, however many features the views have.
        """
        directions = min(sum(lengths), self.bank.image_shape.numel())
        return math.ceil(self.event.noise_multiplier * math.sqrt(directions / (1 - self.count_share)))
