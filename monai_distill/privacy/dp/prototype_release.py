"""Where distillation with a guarantee starts: a few prototypes of every class, told with noise."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.randomness import seeded_generator

from .accounting import GaussianEvent
from .ledger import PrivacyLedger
from .mechanisms import PrivateRelease
from .records import clipped_class_sums, require_min_records, warn_if_few_records

__all__ = ["PrototypeRelease"]

SIDE = 0.1  # share of a vector's squared length for the count and for the brightness, half each
DOUBT = 2.0  # standard deviations of its noise by which a pixel has to differ from the class mean to be believed
SMALLEST = 0.2  # of the mean size: a smaller group is given up and the largest split
APART = 0.15  # how far along a random field
ADVICE = "Use --prototype_share 0 (start from noise), fewer --images_per_class, or raise epsilon."


class _Told(NamedTuple):
    """Means of direction [classes, k, D], sizes, brightness and the noise in a pixel and in it [classes, k, 1]."""

    means: Tensor
    sizes: Tensor
    brightness: Tensor
    noise: Tensor
    brightness_noise: Tensor

    def believed(self, whole: _Told) -> _Told:
        """What differs from the class as a whole by less than twice the noise is taken from there."""
        means = _believed(self.means, whole.means, self.noise).clamp_min(0)
        return self._replace(
            means=means, brightness=_believed(self.brightness, whole.brightness, self.brightness_noise)
        )


class PrototypeRelease:
    """Moves the images of a synthetic set to noisy centres of groups of real ones, found by k-means in rounds.

    Matching class means alone is content with images that are right on average only; images that begin at a centre of
    their own stay like real ones. Every image is a vector of length 1 (its pixels, scaled), a constant that makes a
    count, and its brightness; one round tells the sums per class and group with Gaussian noise, and the next groups
    images by the nearest centre told. The first round has one group a class, the second splits it along smooth random
    fields. What of a centre differs from its class mean by less than twice the noise is taken from the mean.

    References:
        Su et al., Differentially Private k-Means Clustering, CODASPY 2016 (DPLloyd).

    Args:
        synthetic: the set, its images weak noise around 0; one prototype for every image.
        bank: the training images, as the networks see them, with patients where known.
        ledger: the event is entered there.
        noise_multiplier: of every round, over the clip, which is 1.
        rounds: how many: 1 for one image per class, else at least 2.
        low: value of a pixel that is 0, as the networks see it; a constant.
        high: of one that is 1.
        file: where the prototypes are kept.
        job: what decides them, as plain JSON values; a file of another job is refused.
        public_records: a round number of records that may be told.
        seed: of the random fields, which is no secret.

    Raises:
        ValueError: for another number of rounds; from :meth:`prepare`, when none are public, or so few that
            the noise would drown a centre.
        RuntimeError: when the file is of another job, or has gone although the ledger says that it was told.
    """

    def __init__(
        self,
        synthetic: SyntheticDataset,
        bank: ClassBank,
        ledger: PrivacyLedger,
        *,
        noise_multiplier: float,
        rounds: int,
        low: float,
        high: float,
        file: str | Path,
        job: Mapping[str, Any],
        public_records: int | None,
        seed: int = 0,
    ) -> None:
        self.synthetic = synthetic
        self.bank = bank
        self.ledger = ledger
        self.each = len(synthetic.labels) // bank.num_classes
        if (rounds == 1) != (self.each == 1) or rounds < 1:
            raise ValueError(f"Expected 1 round for 1 image per class, else 2 or more, got {rounds} for {self.each}.")
        self.rounds = rounds
        self.event = GaussianEvent("prototypes", noise_multiplier, steps=self.rounds)
        self.low, self.high = low, high
        self.file = Path(file)
        self.job = json.dumps({**job, "noise_multiplier": noise_multiplier, "rounds": self.rounds}, sort_keys=True)
        self.public_records = public_records
        self.seed = seed

    def prepare(self) -> None:
        """Measure and tell, or read what was told before; then move the set's images there.

        The noise that they began as stays on top: two centres that are not told apart are two images all the same.
        """
        if not self.file.exists():
            self.ledger.require_not_released(self.event)
            require_min_records(self.public_records, self._needed(), self.bank.num_classes, self.ledger.unit, ADVICE)
            self.ledger.enter(self.event)
            told, counts = self._found()
            atomic_write(self.file, save({"prototypes": told.contiguous()}, {"job": self.job}))
            warn_if_few_records(counts, self._needed(), self.bank.class_names, self.ledger.unit)
        self.ledger.enter(self.event)
        self.ledger.mark_released(self.event)
        with safe_open(str(self.file), "pt") as content:
            if (content.metadata() or {}).get("job") != self.job:
                raise RuntimeError(f"{self.file} was told by another job. Give another output_dir.")
            pixels = content.get_tensor("prototypes")
        with torch.no_grad():
            self.synthetic.images.add_((self.low + (self.high - self.low) * pixels).to(self.synthetic.images.device))
        del self.bank  # nothing that is reachable from here knows a real image any more

    def _found(self) -> tuple[Tensor, list[float]]:
        """Prototypes [classes * k, C, *spatial] as pixel values from 0 to 1, class after class; counts of classes."""
        shape = self.bank.image_shape
        first = self._told(torch.zeros(len(self.bank), dtype=torch.long), 1)
        last = first
        if self.each > 1:
            fields = self._fields(shape)
            groups = self._nearest(fields, torch.zeros(fields.shape[:2]), first.means)
            for number in range(1, self.rounds):
                last = self._told(groups, self.each).believed(first)
                if number + 1 < self.rounds:
                    centres = _split(last, fields)
                    groups = self._nearest(centres, centres.square().sum(dim=2) / 2, torch.zeros_like(first.means))
        pixels = last.means * last.brightness * math.sqrt(shape.numel())
        return pixels.clamp(0, 1).reshape(-1, *shape).float(), first.sizes.flatten().tolist()

    def _told(self, groups: Tensor, count: int) -> _Told:
        """One round: sums per class and group with noise, as means."""
        classes = self.bank.num_classes
        names = [str(number) for number in range(classes * count)]
        labels = self.bank.labels * count + groups.to(self.bank.device)
        rows = ClassBank(self.bank.images, labels, names, self.bank.patients)
        sums = clipped_class_sums(rows, self._vectors)
        noise = self.event.noise_multiplier
        told = PrivateRelease(sums, clip=1.0, noise_multiplier=noise).draw().reshape(classes, count, -1)
        scale = math.sqrt(SIDE / 2)
        sizes = (told[..., -2:-1] / scale).clamp_min(3 * noise / scale)  # a count that the noise has eaten
        means = told[..., :-2] / (math.sqrt(1 - SIDE) * sizes)
        brightness = (told[..., -1:] / (scale * sizes)).clamp(0, 1)
        return _Told(means, sizes, brightness, noise / (math.sqrt(1 - SIDE) * sizes), noise / (scale * sizes))

    def _directions(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [b, D] of length 1, and the length that they had, 1 for a white image."""
        pixels = ((images - self.low) / (self.high - self.low)).clamp(0, 1).flatten(1)
        return F.normalize(pixels, dim=1), pixels.norm(dim=1, keepdim=True) / math.sqrt(pixels.shape[1])

    def _vectors(self, images: Tensor) -> Tensor:
        directions, lengths = self._directions(images)
        scale = math.sqrt(SIDE / 2)
        return torch.cat([directions * math.sqrt(1 - SIDE), torch.full_like(lengths, scale), lengths * scale], dim=1)

    def _nearest(self, centres: Tensor, offsets: Tensor, origin: Tensor) -> Tensor:
        """The group [n] of every image: the largest product with a centre, less the centre's offset."""
        groups = torch.zeros(len(self.bank), dtype=torch.long)
        for label, own in enumerate(self.bank.indices):
            for part in torch.split(own, 4096):
                at = self._directions(self.bank.images[part])[0].to("cpu", torch.float64) - origin[label]
                groups[part.cpu()] = (at @ centres[label].to(torch.float64).T - offsets[label]).argmax(dim=1)
        return groups

    def _fields(self, shape: torch.Size) -> Tensor:
        """Smooth random directions [classes, k, D] of mean 0 and length 1."""
        generator = seeded_generator(self.seed, "fields of prototypes")
        sides = shape[1:]
        coarse = torch.randn((self.bank.num_classes * self.each, shape[0], *[4] * len(sides)), generator=generator)
        fine = F.interpolate(coarse, size=tuple(sides), mode="bilinear" if len(sides) == 2 else "trilinear").flatten(1)
        fine = F.normalize(fine - fine.mean(dim=1, keepdim=True), dim=1)
        return fine.reshape(self.bank.num_classes, self.each, -1).to(torch.float64)

    def _needed(self) -> int:
        """At so many records of a class the noise in a centre of a group of average size is as long as the centre."""
        pixels = self.bank.image_shape.numel()
        return math.ceil(self.each * self.event.noise_multiplier * math.sqrt(pixels / (1 - SIDE)))


def _believed(values: Tensor, others: Tensor, noise: Tensor) -> Tensor:
    rest = values - others
    return others + rest.sign() * (rest.abs() - DOUBT * noise).clamp_min(0)


def _split(told: _Told, fields: Tensor) -> Tensor:
    """The centres [classes, k, D], where a group that is nearly empty takes over half of the largest."""
    centres, sizes = told.means.clone(), told.sizes.squeeze(2).clone()
    for label in range(len(centres)):
        least = SMALLEST * float(sizes[label].mean())
        for group in torch.nonzero(told.sizes[label, :, 0] < least).flatten().tolist():
            largest = int(sizes[label].argmax())
            step = APART * fields[label, group]
            centres[label, group] = centres[label, largest] + step
            centres[label, largest] = centres[label, largest] - step
            sizes[label, [group, largest]] = float(sizes[label, largest]) / 2
    return centres
