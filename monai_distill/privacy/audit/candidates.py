"""The images whose membership is attacked, and the random half that each shadow is distilled from."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.randomness import seeded_generator

__all__ = ["Candidates", "real_release"]

STUDENT_LR = 0.01  # real images have no learned learning rate; the controls of the scores use this one too


def real_release(like: SyntheticDataset, bank: ClassBank, generator: torch.Generator) -> SyntheticDataset:
    """Release random real images in the form of a distilled set: same counts per class, same preprocessing.

    Args:
        like: the set that gives the counts, class names and preprocessing.
        bank: real images as pixel values; a class with too few images repeats some, a class without images takes images
            of all classes.
        generator: a CPU generator.

    Example:
        >>> bank = ClassBank(torch.rand(4, 1, 2, 2), torch.tensor([0, 0, 1, 1]), ["a", "b"])
        >>> set_like = SyntheticDataset(torch.zeros(3, 1, 2, 2), torch.tensor([0, 0, 1]), ["a", "b"])
        >>> real_release(set_like, bank, torch.Generator()).labels.tolist()
        [0, 0, 1]
    """
    counts = torch.bincount(like.labels.cpu(), minlength=bank.num_classes).tolist()
    rows = []
    for label, count in enumerate(counts):
        if bank.counts[label]:
            rows.append(bank.draw_indices(label, count, generator).cpu())
        else:
            rows.append(torch.randint(len(bank), (count,), generator=generator))
    pixels = bank.images[torch.cat(rows)]
    images = pixels if like.preprocessing is None else like.preprocessing(pixels)
    labels = torch.arange(bank.num_classes).repeat_interleave(torch.tensor(counts))
    return SyntheticDataset(
        images.to(like.images.device),
        labels.to(like.images.device),
        like.class_names,
        student_lr=STUDENT_LR,
        preprocessing=like.preprocessing,
    )


NEIGHBORS = 5  # the distance to the fifth neighbor defines outliers
KNOWN_KEYS = {"image", "label", "class_name", "patient", "mask"}  # keys of an item that are not metadata


@dataclass(frozen=True)
class Candidates:
    """A run's training images, some of them canaries, and the random half of them that each shadow uses.

    Halves are drawn per class and per patient if patients are known; identical images stay together. The halves of
    different shadows are independent. Canaries are images with a wrong label. Independent fair coins include or exclude
    them, which the bound on epsilon from one run requires. The released set itself never has canaries.

    Args:
        bank: all training images as pixel values, with the labels that the shadows use.
        units: [N], equal for images that are drawn together.
        unit: ``"patient"`` or ``"image"``.
        true_labels: [N], before labels of canaries were changed.
        audited: [n] positions of the images that are attacked: all canaries, and random others.
        outliers: [n], True for the 5 percent of audited images that are farthest from their class.
        columns: one text per image [N] by name, if the data set has metadata.
        seed: of the draws.
    """

    bank: ClassBank
    units: Tensor
    unit: str
    true_labels: Tensor
    audited: Tensor
    outliers: Tensor
    columns: dict[str, list[str]] = field(default_factory=dict)
    seed: int = 0

    @classmethod
    def of_run(
        cls,
        training: Any,
        held_out: Sequence[Any],
        *,
        mislabelled: int | None,
        at_most: int,
        seed: int,
        training_sha256: str | None = None,
        drop_held_out: bool = False,
    ) -> Candidates:
        """Make the candidates of a run.

        Args:
            training: the run's training section (items ``image``, ``label``, perhaps ``patient`` and metadata).
            held_out: its other sections; a training image that is identical to one of theirs is dropped, as in the run.
            mislabelled: number of canaries; None for 5 percent of the images, at most 500.
            at_most: largest number of images that are attacked.
            seed: of all draws.
            training_sha256: checksum of the images that the run used, if it is known.
            drop_held_out: whether the run dropped the held-out image instead; then no training image is dropped.

        Raises:
            ValueError: if there are too few images for this number of canaries.
            RuntimeError: if these are not the images that the run used.
        """
        bank, positions = _without_duplicates(training, [] if drop_held_out else held_out, training_sha256)
        items = [training.data[i] for i in positions]
        patients = [item.get("patient") for item in items]
        known = all(patient is not None for patient in patients)
        units = _numbered(patients if known else bank.image_hashes())
        generator = seeded_generator(seed, "audit candidates")
        count = min(500, len(bank) // 20) if mislabelled is None else mislabelled
        first = _one_per_unit(units, generator)
        if count > min(len(first), at_most):
            raise ValueError(
                f"Expected at most {min(len(first), at_most)} canaries (one per {'patient' if known else 'image'}, all "
                f"audited), got {count}. Lower mislabelled."
            )
        canaries = first[:count]
        labels = bank.labels.clone()
        shift = 1 + torch.randint(bank.num_classes - 1, (count,), generator=generator)
        labels[canaries] = (labels[canaries] + shift) % bank.num_classes
        others = torch.randperm(len(bank), generator=generator)
        others = others[~torch.isin(others, canaries)][: max(0, at_most - count)]
        audited = torch.cat([canaries, others]).sort().values
        names = sorted({name for item in items for name in item} - KNOWN_KEYS)
        return cls(
            bank=ClassBank(bank.images, labels, bank.class_names),
            units=units,
            unit="patient" if known else "image",
            true_labels=bank.labels,
            audited=audited,
            outliers=_outliers(bank, audited),
            columns={name: [str(item.get(name, "")) for item in items] for name in names},
            seed=seed,
        )

    @property
    def images(self) -> Tensor:
        """Audited images [n, channels, *spatial] as pixel values."""
        return self.bank.images[self.audited]

    @property
    def labels(self) -> Tensor:
        """Labels [n] that shadows use; wrong for canaries."""
        return self.bank.labels[self.audited]

    @property
    def metadata(self) -> dict[str, list[str]]:
        """Values of the audited images by name."""
        return {name: [values[i] for i in self.audited.tolist()] for name, values in self.columns.items()}

    @property
    def mislabelled(self) -> Tensor:
        """Canaries among all images [N]."""
        return self.bank.labels != self.true_labels

    def item_columns(self, inside: Tensor) -> dict[str, list[str]]:
        """Metadata of the images marked by ``inside`` [N], and where patients are known their pseudonyms."""
        positions = torch.nonzero(inside).flatten().tolist()
        columns = {name: [values[i] for i in positions] for name, values in self.columns.items()}
        if self.unit == "patient":
            columns["patient"] = [str(unit) for unit in self.units[inside].tolist()]
        return columns

    def members(self, shadow: int) -> Tensor:
        """Images [N] that one shadow is distilled from."""
        generator = seeded_generator(self.seed, "members of shadow", shadow)
        inside = torch.zeros(int(self.units.max()) + 1, dtype=torch.bool)
        coins = set(self.units[self.mislabelled].tolist())
        by_class: dict[int, list[int]] = defaultdict(list)
        for unit, label in self._unit_classes():
            by_class[-1 if unit in coins else label].append(unit)
        for label, members in sorted(by_class.items()):
            units = torch.tensor(members)
            if label == -1:
                inside[units] = torch.rand(len(units), generator=generator) < 0.5
                continue
            odd = int(torch.randint(2, (1,), generator=generator))  # otherwise a class of odd size would favor one side
            inside[units[torch.randperm(len(units), generator=generator)[: (len(units) + odd) // 2]]] = True
        return inside[self.units]

    def _unit_classes(self) -> list[tuple[int, int]]:
        votes: dict[int, Counter[int]] = defaultdict(Counter)
        for unit, label in zip(self.units.tolist(), self.true_labels.tolist(), strict=True):
            votes[unit][label] += 1
        return [(unit, min(count, key=lambda c: (-count[c], c))) for unit, count in sorted(votes.items())]


def _without_duplicates(
    training: Any, held_out: Sequence[Any], training_sha256: str | None
) -> tuple[ClassBank, list[int]]:
    """Training images that are in no other section, and their positions."""
    everything = ClassBank.from_dataset(training)
    elsewhere = {digest for section in held_out for digest in ClassBank.from_dataset(section).image_hashes()}
    positions = [i for i, digest in enumerate(everything.image_hashes()) if digest not in elsewhere]
    bank = everything.subset(torch.tensor(positions, dtype=torch.long))
    if training_sha256 is not None and bank.fingerprint() != training_sha256:
        raise RuntimeError(
            "The checksum of the training images differs from that of the run, so that no member of the released set "
            "would be attacked. Give the data set of the run."
        )
    return bank, positions


def _numbered(names: Sequence[Any]) -> Tensor:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names])


def _one_per_unit(units: Tensor, generator: torch.Generator) -> Tensor:
    """One image per unit, in random order."""
    order = torch.randperm(len(units), generator=generator)
    first: dict[int, int] = {}
    for position in order.tolist():
        first.setdefault(int(units[position]), position)
    return torch.tensor(list(first.values()), dtype=torch.long)


def _outliers(bank: ClassBank, audited: Tensor) -> Tensor:
    """The 5 percent of audited images that are farthest from their nearest neighbors of the same class."""
    distances = torch.zeros(len(audited))
    for members in bank.indices:
        rows = torch.isin(audited, members).nonzero().flatten()
        count = min(NEIGHBORS + 1, len(members))  # the image itself is the nearest
        for part in torch.split(rows, 512):
            between = torch.cdist(bank.images[audited[part]].flatten(1), bank.images[members].flatten(1))
            distances[part] = between.topk(count, dim=1, largest=False).values[:, -1]
    outliers = torch.zeros(len(audited), dtype=torch.bool)
    outliers[distances.argsort(descending=True)[: max(1, len(audited) // 20)]] = True
    return outliers
