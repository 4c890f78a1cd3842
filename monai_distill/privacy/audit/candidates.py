"""The images whose membership is attacked, and which of them every shadow is distilled from."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.runtime.randomness import seeded_generator

__all__ = ["Candidates", "real_release"]

STUDENT_LR = 0.01  # real images come without a learned one; the scores' controls use the same


def real_release(like: SyntheticDataset, bank: ClassBank, generator: torch.Generator) -> SyntheticDataset:
    """Random real images released as if they were distilled: as many of every class, the same preprocessing.

    Args:
        like: the set to take the numbers, the class names and the preprocessing from.
        bank: real images as pixel values; a smaller class gives some images twice, a class without any the images of
            all.
        generator: a CPU generator.

    Example:
        >>> bank = ClassBank(torch.rand(4, 1, 2, 2), torch.tensor([0, 0, 1, 1]), ["a", "b"])
        >>> set_like = SyntheticDataset(torch.zeros(3, 1, 2, 2), torch.tensor([0, 0, 1]), ["a", "b"])
        >>> real_release(set_like, bank, torch.Generator()).labels.tolist()
        [0, 0, 1]
    """
    wanted = torch.bincount(like.labels.cpu(), minlength=bank.num_classes).tolist()
    rows = []
    for label, count in enumerate(wanted):
        if bank.counts[label]:
            rows.append(bank.draw_indices(label, count, generator).cpu())
        else:
            rows.append(torch.randint(len(bank), (count,), generator=generator))
    pixels = bank.images[torch.cat(rows)]
    images = pixels if like.preprocessing is None else like.preprocessing(pixels)
    labels = torch.arange(bank.num_classes).repeat_interleave(torch.tensor(wanted))
    return SyntheticDataset(
        images.to(like.images.device),
        labels.to(like.images.device),
        like.class_names,
        student_lr=STUDENT_LR,
        preprocessing=like.preprocessing,
    )


NEIGHBOURS = 5  # whose distance says how lonely an image is
KNOWN_KEYS = {"image", "label", "class_name", "patient", "mask"}  # of an item; what else it has is metadata


@dataclass(frozen=True)
class Candidates:
    """A run's training images, some with a wrong label, and for every shadow the random half that is in.

    Halves are drawn class by class, by patient where patients are known (identical images always go together), and
    independently from shadow to shadow. Canaries, images with a wrong label, are put in or left out by independent fair
    coins, as a bound on epsilon from one run requires. The released set itself never has canaries.

    Args:
        bank: all training images as pixel values, with the labels that the shadows are trained on.
        units: [N], equal for images that are drawn together.
        unit: what that is: ``"patient"`` or ``"image"``.
        true_labels: [N], before canaries were made.
        audited: [n] positions of the images that are attacked: all canaries, and others at random.
        outliers: [n], which of the audited lie farthest from their class (the top 5 percent).
        metadata: value of every audited image per name, where the data set has any.
        seed: of the draws.
    """

    bank: ClassBank
    units: Tensor
    unit: str
    true_labels: Tensor
    audited: Tensor
    outliers: Tensor
    metadata: dict[str, list[str]] = field(default_factory=dict)
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
        made_from: str | None = None,
    ) -> Candidates:
        """The candidates of a run.

        Args:
            training: the run's training section (items ``image``, ``label``, perhaps ``patient`` and metadata).
            held_out: its other sections; training images that are identical to one of theirs are dropped, as the run
                dropped them.
            mislabelled: how many canaries; None for 5 percent of the images, 500 at most.
            at_most: how many images are attacked.
            seed: of all draws.
            made_from: the fingerprint of the images that the run was made from, where it is known.

        Raises:
            ValueError: when there are too few images for the canaries asked for.
            RuntimeError: when these are not the images that the run was made from.
        """
        bank, kept = _kept_apart(training, held_out, made_from)
        items = [training.data[i] for i in kept]
        patients = [item.get("patient") for item in items]
        known = all(patient is not None for patient in patients)
        units = _numbered(patients if known else bank.image_hashes())
        generator = seeded_generator(seed, "audit candidates")
        count = min(500, len(bank) // 20) if mislabelled is None else mislabelled
        first = _one_of_each(units, generator)
        if count > min(len(first), at_most):
            raise ValueError(
                f"Expected at most {min(len(first), at_most)} canaries (one a {'patient' if known else 'image'}, all "
                f"audited), got {count}."
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
            outliers=_loneliest(bank, audited),
            metadata={name: [str(items[i].get(name, "")) for i in audited.tolist()] for name in names},
            seed=seed,
        )

    @property
    def images(self) -> Tensor:
        """The audited images [n, channels, *spatial] as pixel values."""
        return self.bank.images[self.audited]

    @property
    def labels(self) -> Tensor:
        """The labels [n] that shadows are trained on; of a canary a wrong one."""
        return self.bank.labels[self.audited]

    @property
    def mislabelled(self) -> Tensor:
        """Which of all images [N] are canaries."""
        return self.bank.labels != self.true_labels

    def patients(self, inside: Tensor) -> list[str] | None:
        """Whose the images are for which ``inside`` [N] is true, as numbers for names; None where that is not known."""
        return [str(unit) for unit in self.units[inside].tolist()] if self.unit == "patient" else None

    def members(self, shadow: int) -> Tensor:
        """Which of all images [N] one shadow is distilled from."""
        generator = seeded_generator(self.seed, "members of shadow", shadow)
        inside = torch.zeros(int(self.units.max()) + 1, dtype=torch.bool)
        coins = set(self.units[self.mislabelled].tolist())
        by_class: dict[int, list[int]] = defaultdict(list)
        for unit, label in self._unit_classes():
            by_class[-1 if unit in coins else label].append(unit)
        for label, own in sorted(by_class.items()):
            units = torch.tensor(own)
            if label == -1:
                inside[units] = torch.rand(len(units), generator=generator) < 0.5
                continue
            odd = int(torch.randint(2, (1,), generator=generator))  # else a class of odd size would favour one side
            inside[units[torch.randperm(len(units), generator=generator)[: (len(units) + odd) // 2]]] = True
        return inside[self.units]

    def _unit_classes(self) -> list[tuple[int, int]]:
        votes: dict[int, Counter[int]] = defaultdict(Counter)
        for unit, label in zip(self.units.tolist(), self.true_labels.tolist(), strict=True):
            votes[unit][label] += 1
        return [(unit, min(count, key=lambda c: (-count[c], c))) for unit, count in sorted(votes.items())]


def _kept_apart(training: Any, held_out: Sequence[Any], made_from: str | None) -> tuple[ClassBank, list[int]]:
    """The training images that are in no other section, and their positions."""
    whole = ClassBank.from_dataset(training)
    elsewhere = {digest for section in held_out for digest in ClassBank.from_dataset(section).image_hashes()}
    kept = [i for i, digest in enumerate(whole.image_hashes()) if digest not in elsewhere]
    bank = whole.subset(torch.tensor(kept, dtype=torch.long))
    if made_from is not None and bank.fingerprint() != made_from:
        raise RuntimeError(
            "These are not the training images that the run was made from (their checksum differs): nobody in the "
            "released set would be attacked. Give the data set of the run."
        )
    return bank, kept


def _numbered(names: Sequence[Any]) -> Tensor:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names])


def _one_of_each(units: Tensor, generator: torch.Generator) -> Tensor:
    """One image of every unit, in random order."""
    order = torch.randperm(len(units), generator=generator)
    seen: dict[int, int] = {}
    for position in order.tolist():
        seen.setdefault(int(units[position]), position)
    return torch.tensor(list(seen.values()), dtype=torch.long)


def _loneliest(bank: ClassBank, audited: Tensor) -> Tensor:
    """The 5 percent of the audited images that are farthest from their nearest neighbours of the same class."""
    distances = torch.zeros(len(audited))
    for own in bank.indices:
        rows = torch.isin(audited, own).nonzero().flatten()
        count = min(NEIGHBOURS + 1, len(own))  # the image itself is the nearest
        for part in torch.split(rows, 512):
            between = torch.cdist(bank.images[audited[part]].flatten(1), bank.images[own].flatten(1))
            distances[part] = between.topk(count, dim=1, largest=False).values[:, -1]
    outliers = torch.zeros(len(audited), dtype=torch.bool)
    outliers[distances.argsort(descending=True)[: max(1, len(audited) // 20)]] = True
    return outliers
