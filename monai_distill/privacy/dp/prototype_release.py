"""Noisy class prototypes: initial images for distillation with a guarantee."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data.canvases import images_to_pack
from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.randomness import seeded_generator

from .accounting import GaussianEvent
from .ledger import PrivacyLedger
from .mechanisms import PrivateRelease
from .records import clipped_class_sums, require_min_records, warn_if_few_records
from .release_file import ReleaseFile

__all__ = ["PrototypeRelease"]

SIDE = 0.1  # share of a vector's squared length for the count and the brightness, half each
COUNT_MARGIN = 3.0  # standard deviations of noise that a count is taken to be at least
NOISE_MARGIN = 2.0  # standard deviations of noise by which a pixel must differ from the class mean to be used
MIN_SIZE = 0.2  # of the mean group size: a smaller group is dropped and the largest group is split
SPLIT_STEP = 0.15  # distance along a random field at which the two halves of a split group start
ADVICE = "Use --prototype_share 0 (start from noise), or raise epsilon."


class _NoisyGroups(NamedTuple):
    """Mean directions [classes, k, D], and sizes, brightness and their noise [classes, k, 1] of groups of images."""

    means: Tensor
    sizes: Tensor
    brightness: Tensor
    noise: Tensor
    brightness_noise: Tensor

    def denoised(self, whole: _NoisyGroups) -> _NoisyGroups:
        """Replace differences from the whole class that are smaller than twice their noise by the class's values."""
        means = _shrunk(self.means, whole.means, self.noise).clamp_min(0)
        return self._replace(means=means, brightness=_shrunk(self.brightness, whole.brightness, self.brightness_noise))


class PrototypeRelease:
    """Starts the images of a synthetic set at noisy centers of groups of real images, found by k-means in rounds.

    Matching class means only requires images that are right on average; images that start at different centers also
    resemble real ones. Each image is a vector of length 1: scaled pixels, a constant entry that gives the count, and
    its brightness. Each round releases the sums per class and group with Gaussian noise; the next round assigns the
    images to the nearest released center. The first round has one group per class; the second splits it along smooth
    random fields. Where a center differs from its class mean by less than twice the noise, the class mean is used.

    References:
        Su et al., Differentially Private k-Means Clustering, CODASPY 2016, https://arxiv.org/abs/1504.05998 (DPLloyd).

    Args:
        synthetic: the set; its images are weak noise around 0, and each gets one prototype. Where a canvas holds
            several images, every cell gets one, shrunk.
        bank: training images as the networks receive them, with patients if they are known.
        ledger: records the event.
        event: noise multiplier of each round (divided by the clip, which is 1) and number of rounds as ``steps``: 1 for
            one image per class, else at least 2.
        pixel_range: values that pixels of 0 and 1 have for the networks; constants.
        file: stores the prototypes.
        public_records: public, rounded number of records.
        seed: of the random fields, which are public.

    Raises:
        ValueError: for another number of rounds; from :meth:`prepare`, if ``public_records`` is missing, or too small
            for this noise.
        RuntimeError: if the file is of another job, unit or delta; if it is missing although the ledger says that
            the prototypes were released.
    """

    def __init__(
        self,
        synthetic: SyntheticDataset,
        bank: ClassBank,
        ledger: PrivacyLedger,
        *,
        event: GaussianEvent,
        pixel_range: tuple[float, float],
        file: ReleaseFile,
        public_records: int | None,
        seed: int = 0,
    ) -> None:
        self.synthetic = synthetic
        self.bank = bank
        self.ledger = ledger
        self.canvases_per_class = len(synthetic.images) // bank.num_classes
        self.groups_per_class = images_to_pack(synthetic.decode, self.canvases_per_class, len(bank.image_shape) - 1)
        if (event.steps == 1) != (self.groups_per_class == 1):
            raise ValueError(
                f"Expected 1 round for 1 image per class, else 2 or more, got {event.steps} for "
                f"{self.groups_per_class} images per class."
            )
        self.event = event.validated()
        self.low, self.high = pixel_range
        self.file = ReleaseFile(file.path, {**file.job, "unit": ledger.unit, "delta": ledger.delta})
        self.public_records = public_records
        self.seed = seed

    def prepare(self) -> None:
        """Release the prototypes, or read the stored ones; then add them to the set's images.

        The initial noise of the images stays, so that two equal centers still give two different images.
        """
        if not self.file.exists():
            self.ledger.require_not_released(self.event)
            minimum, unit = self._min_records(), self.ledger.unit
            require_min_records(self.public_records, minimum, self.bank.num_classes, unit, ADVICE)
            self._warn_of_hidden_groups(minimum)
            self.ledger.enter(self.event)
            prototypes, counts = self._prototypes()
            self.file.write(self.event, {"prototypes": prototypes})
            warn_if_few_records(counts, minimum, self.bank.class_names, unit)
        self.ledger.enter(self.event)
        self.ledger.mark_released(self.event)
        pixels = self.file.read(self.event)["prototypes"]
        pixels = self.synthetic.decode.pack(pixels, self.synthetic.canvas_labels.tolist())
        with torch.no_grad():
            self.synthetic.images.add_((self.low + (self.high - self.low) * pixels).to(self.synthetic.images.device))
        del self.bank  # from here on no real image is reachable from this object

    def _prototypes(self) -> tuple[Tensor, list[float]]:
        """Prototypes [classes * k, C, *spatial] as pixel values from 0 to 1, sorted by class; noisy class counts."""
        shape = self.bank.image_shape
        whole = self._release(torch.zeros(len(self.bank), dtype=torch.long), 1)
        groups = whole
        if self.groups_per_class > 1:
            fields = self._fields(shape)
            assignment = self._nearest(fields, torch.zeros(fields.shape[:2]), whole.means)
            for number in range(1, self.event.steps):
                groups = self._release(assignment, self.groups_per_class).denoised(whole)
                if number + 1 < self.event.steps:
                    centers = _split(groups, fields)
                    offsets = centers.square().sum(dim=2) / 2
                    assignment = self._nearest(centers, offsets, torch.zeros_like(whole.means))
        pixels = groups.means * groups.brightness * math.sqrt(shape.numel())
        return pixels.clamp(0, 1).reshape(-1, *shape).float(), whole.sizes.flatten().tolist()

    def _release(self, assignment: Tensor, count: int) -> _NoisyGroups:
        """One round: noisy sums per class and group, as means."""
        classes = self.bank.num_classes
        names = [str(number) for number in range(classes * count)]
        labels = self.bank.labels * count + assignment.to(self.bank.device)
        rows = ClassBank(self.bank.images, labels, names, self.bank.patients)
        noise = self.event.noise_multiplier
        clean = clipped_class_sums(rows, self._vectors, unit=self.ledger.unit)
        sums = PrivateRelease(clean, clip=1.0, noise_multiplier=noise).draw().reshape(classes, count, -1)
        scale = math.sqrt(SIDE / 2)
        sizes = (sums[..., -2:-1] / scale).clamp_min(COUNT_MARGIN * noise / scale)  # a count smaller than its noise
        means = sums[..., :-2] / (math.sqrt(1 - SIDE) * sizes)
        brightness = (sums[..., -1:] / (scale * sizes)).clamp(0, 1)
        return _NoisyGroups(means, sizes, brightness, noise / (math.sqrt(1 - SIDE) * sizes), noise / (scale * sizes))

    def _directions(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [b, D] scaled to length 1, and their length before [b, 1], which is 1 for a white image."""
        pixels = ((images - self.low) / (self.high - self.low)).clamp(0, 1).flatten(1)
        return F.normalize(pixels, dim=1), pixels.norm(dim=1, keepdim=True) / math.sqrt(pixels.shape[1])

    def _vectors(self, images: Tensor) -> Tensor:
        directions, lengths = self._directions(images)
        scale = math.sqrt(SIDE / 2)
        return torch.cat([directions * math.sqrt(1 - SIDE), torch.full_like(lengths, scale), lengths * scale], dim=1)

    def _nearest(self, centers: Tensor, offsets: Tensor, origin: Tensor) -> Tensor:
        """Group [n] of every image: the center with the largest product, minus the center's offset."""
        groups = torch.zeros(len(self.bank), dtype=torch.long)
        for label, members in enumerate(self.bank.indices):
            for part in torch.split(members, 4096):
                directions = self._directions(self.bank.images[part])[0].to("cpu", torch.float64) - origin[label]
                products = directions @ centers[label].to(torch.float64).T
                groups[part.cpu()] = (products - offsets[label]).argmax(dim=1)
        return groups

    def _fields(self, shape: torch.Size) -> Tensor:
        """Smooth random directions [classes, k, D] of mean 0 and length 1."""
        generator = seeded_generator(self.seed, "fields of prototypes")
        sides = shape[1:]
        coarse = torch.randn(
            (self.bank.num_classes * self.groups_per_class, shape[0], *[4] * len(sides)), generator=generator
        )
        fine = F.interpolate(coarse, size=tuple(sides), mode="bilinear" if len(sides) == 2 else "trilinear").flatten(1)
        fine = F.normalize(fine - fine.mean(dim=1, keepdim=True), dim=1)
        return fine.reshape(self.bank.num_classes, self.groups_per_class, -1).to(torch.float64)

    def _min_records(self) -> int:
        """Records per class at which the mean of a class is as long as its noise, as stored, and the count is known.

        Where the centers of groups have more noise than that, they become the mean of their class. In a canvas a center
        is shrunk: a stored pixel is the mean of several, which divides the noise by the factor.
        """
        pixels = self.bank.image_shape.numel()
        cells = self.synthetic.decode.cells([0] * self.canvases_per_class, len(self.bank.image_shape) - 1).finest()
        mean, count = math.sqrt(pixels / (1 - SIDE)) / int(cells.factor.min()), COUNT_MARGIN / math.sqrt(SIDE / 2)
        return math.ceil(self.event.noise_multiplier * max(mean, count))

    def _warn_of_hidden_groups(self, minimum: int) -> None:
        needed = minimum * self.groups_per_class * self.bank.num_classes
        if self.groups_per_class > 1 and (self.public_records or 0) < needed:
            warnings.warn(
                f"The {self.groups_per_class} prototypes of a class need about {needed} public records to stand out "
                f"from their noise, got {self.public_records}: many of them become the mean of their class. Compare "
                "with --prototype_share 0, which spends the whole budget on the class sums.",
                stacklevel=3,
            )


def _shrunk(values: Tensor, reference: Tensor, noise: Tensor) -> Tensor:
    """Soft threshold of the differences from the reference."""
    difference = values - reference
    return reference + difference.sign() * (difference.abs() - NOISE_MARGIN * noise).clamp_min(0)


def _split(groups: _NoisyGroups, fields: Tensor) -> Tensor:
    """Centers [classes, k, D]; a group that is nearly empty gets half of the largest group."""
    centers, sizes = groups.means.clone(), groups.sizes.squeeze(2).clone()
    for label in range(len(centers)):
        minimum = MIN_SIZE * float(sizes[label].mean())
        for group in torch.nonzero(groups.sizes[label, :, 0] < minimum).flatten().tolist():
            largest = int(sizes[label].argmax())
            step = SPLIT_STEP * fields[label, group]
            centers[label, group] = centers[label, largest] + step
            centers[label, largest] = centers[label, largest] - step
            sizes[label, [group, largest]] = float(sizes[label, largest]) / 2
    return centers
