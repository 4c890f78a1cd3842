"""Class means of several views of the images, measured and told once, then drawn from for as long as one likes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from monai_distill.data import ClassBank, NoisyClassMeans
from monai_distill.runtime.atomic_file import atomic_write

from .accounting import GaussianEvent
from .ledger import PrivacyLedger
from .mechanisms import PrivateRelease
from .records import clipped_class_sums, require_min_records, warn_if_few_records

__all__ = ["ClassRelease"]

CLIP = 1.0
PURPOSE = "class sums and counts"
ADVICE = "Raise epsilon, lower views or width, merge classes, or collect more."


class ClassRelease:
    """The one look of differentially private distribution matching at the real images, and what it saw.

    The vectors of all views of an image, and one constant that makes a count, are put side by side, of length 1 in all;
    summed per class, told once with Gaussian noise (:class:`PrivateRelease`), and kept in a file, so that an
    interrupted run goes on with the noise that was drawn. ``release[i]`` is the view of iteration i.

    References:
        Zheng and Li, Differentially Private Dataset Condensation, NDSS workshop 2024.

    Deviation: all images instead of batches, so that the accounting has no sampling to assume; class counts are told
        with noise, in the same release, instead of being taken as known. Nor does the number of images decide whether
        there is a release: too few are refused by the number that may be told, and warned of by the counts told.

    Args:
        bank: the training images, with patients where these are known.
        views: function of (number, images) to vectors of length at most 1, with a length: how many there are.
        ledger: the event is entered there.
        noise_multiplier: standard deviation of the noise over the clip, which is 1.
        file: where the release is kept.
        job: what decides the views, as plain JSON values; a file of another job is refused.
        public_records: a round number of records that may be told.
        count_share: share of a record's squared length that goes into the count.
        batch_size: images at once.

    Raises:
        ValueError: from :meth:`prepare`, when none are public, or so few that the noise would drown a class mean.
        RuntimeError: when asked before :meth:`prepare`, when the file is of another job, or when it has gone although
            the ledger says that it was told.
    """

    def __init__(
        self,
        bank: ClassBank,
        views: Callable[[int, Tensor], Tensor],
        ledger: PrivacyLedger,
        *,
        noise_multiplier: float,
        file: str | Path,
        job: Mapping[str, Any],
        public_records: int | None,
        count_share: float = 0.1,
        batch_size: int = 256,
    ) -> None:
        self.bank = bank
        self.views = views
        self.ledger = ledger
        self.event = GaussianEvent(PURPOSE, noise_multiplier)
        self.file = Path(file)
        self.job = json.dumps({**job, "noise_multiplier": noise_multiplier, "count_share": count_share}, sort_keys=True)
        self.count_share = count_share
        self.public_records = public_records
        self.batch_size = batch_size
        self.means: list[Tensor] = []

    def prepare(self) -> None:
        """Measure and tell, or read what was told before; the event is in the ledger before anything is kept."""
        if self.file.exists():
            told, lengths = self._read()
            self.ledger.enter(self.event)
        else:
            self.ledger.require_not_released(self.event)
            lengths = self._lengths()
            require_min_records(
                self.public_records, self._needed(lengths), self.bank.num_classes, self.ledger.unit, ADVICE
            )
            sums = clipped_class_sums(self.bank, self._vectors, clip=CLIP, batch_size=self.batch_size)
            self.ledger.enter(self.event)
            told = PrivateRelease(sums, clip=CLIP, noise_multiplier=self.event.noise_multiplier).draw()
            tensors = {"sums": told, "lengths": torch.tensor(lengths)}
            atomic_write(self.file, save(tensors, {"job": self.job}))
            warn_if_few_records(
                self._counts(told).tolist(), self._needed(lengths), self.bank.class_names, self.ledger.unit
            )
        self.ledger.mark_released(self.event)
        self.means = self._means(told, lengths)
        del self.bank  # nothing that is reachable from here knows a real image any more

    def __getitem__(self, iteration: int) -> NoisyClassMeans:
        """The means to match at one iteration; the views come in turn."""
        if not self.means:
            raise RuntimeError("Nothing has been measured. Call prepare() first.")
        view = iteration % len(self.means)
        return NoisyClassMeans(iteration, view, self.means[view])

    def _vectors(self, images: Tensor) -> Tensor:
        count = len(self.views)  # type: ignore[arg-type]
        parts = [self.views(view, images) for view in range(count)]
        one = images.new_full((len(images), 1), math.sqrt(self.count_share))
        return torch.cat([*(part * math.sqrt((1 - self.count_share) / count) for part in parts), one], dim=1)

    def _lengths(self) -> list[int]:
        blank = torch.zeros((1, *self.bank.image_shape), device=self.bank.device)  # asks for shapes, not for an image
        return [self.views(view, blank).shape[1] for view in range(len(self.views))]  # type: ignore[arg-type]

    def _means(self, told: Tensor, lengths: list[int]) -> list[Tensor]:
        """Means [classes, F] of every view; a count that the noise has eaten is taken for the noise's own size."""
        floor = self.event.noise_multiplier * CLIP / math.sqrt(self.count_share)
        counts = self._counts(told).clamp_min(floor)
        scale = math.sqrt(len(lengths) / (1 - self.count_share))
        parts = torch.split(told[:, :-1], lengths, dim=1)
        return [(part * scale / counts[:, None]).float() for part in parts]

    def _counts(self, told: Tensor) -> Tensor:
        """Records of every class [classes], as told."""
        return told[:, -1] / math.sqrt(self.count_share)

    def _needed(self, lengths: list[int]) -> int:
        """So many records of a class have a mean as long as its noise, in the directions that an image can follow.

        It has no more of them than pixels, however many numbers the views tell of it.
        """
        directions = min(sum(lengths), self.bank.image_shape.numel())
        return math.ceil(self.event.noise_multiplier * math.sqrt(directions / (1 - self.count_share)))

    def _read(self) -> tuple[Tensor, list[int]]:
        with safe_open(str(self.file), "pt") as content:
            if (content.metadata() or {}).get("job") != self.job:
                raise RuntimeError(f"{self.file} was told by another job. Give another output_dir.")
            return content.get_tensor("sums"), content.get_tensor("lengths").tolist()
