"""No image lies in two sections: which of two identical images is dropped."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch

from .class_bank import ClassBank

__all__ = ["Disjoint", "SomeItems", "disjoint", "without_copies"]

SECTIONS = ("training", "validation", "test")


class Disjoint:
    """Sections without common images.

    Attributes:
        banks: training, validation and test.
        positions: of the images that remain, by section.
        dropped: section -> number of images; only sections that can lose some.
    """

    def __init__(self, banks: Sequence[ClassBank], positions: Sequence[Sequence[int]], losing: Sequence[str]) -> None:
        self.positions = positions
        self.banks = [
            bank if len(rows) == len(bank) else bank.subset(torch.tensor(rows, dtype=torch.long))
            for bank, rows in zip(banks, positions, strict=True)
        ]
        before, after = (dict(zip(SECTIONS, map(len, sides), strict=True)) for sides in (banks, positions))
        self.dropped = {name: before[name] - after[name] for name in losing}

    def sentence(self) -> str:
        """The dropped images in words, by section; empty if there are none."""
        other = "a later" if "training" in self.dropped else "an earlier"
        return ", ".join(
            f"{n} of {name} identical to an image of {other} section" for name, n in self.dropped.items() if n
        )


def disjoint(banks: Sequence[ClassBank], hashes: Sequence[Sequence[str]], *, drop_held_out: bool) -> Disjoint:
    """Drop images until no two sections share one, and warn of it.

    Without a guarantee the image of the earlier section goes, so that the published test images are scored. With one,
    that of the later section goes: otherwise a held-out patient would decide which images of others are trained on.

    Args:
        banks: training, validation and test.
        hashes: of their images.
        drop_held_out: whether the image of the later section is dropped.

    Example:
        >>> bank = ClassBank(torch.eye(2).reshape(2, 1, 1, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> banks = [bank, bank.subset(torch.tensor([0])), bank.subset(torch.tensor([1]))]
        >>> with warnings.catch_warnings(record=True):
        ...     parts = disjoint(banks, [b.image_hashes() for b in banks], drop_held_out=True)
        >>> parts.dropped, [len(b) for b in parts.banks]
        ({'validation': 1, 'test': 1}, [2, 0, 0])
    """
    training, validation, test = (set(codes) for codes in hashes)
    taken = (set(), training, training | validation) if drop_held_out else (validation | test, test, set())
    positions = [
        [i for i, c in enumerate(codes) if c not in others] for codes, others in zip(hashes, taken, strict=True)
    ]
    parts = Disjoint(banks, positions, SECTIONS[1:] if drop_held_out else SECTIONS[:2])
    if any(parts.dropped.values()):
        counts = " and ".join(f"{count} from {name}" for name, count in parts.dropped.items())
        why = "which no training image depends on then" if drop_held_out else "so that test and validation stay unseen"
        warnings.warn(f"Identical images lie in two sections; dropped {counts}, {why}.", stacklevel=3)
    return parts


class SomeItems:
    """Some items of a dataset, in the form of a section.

    Args:
        dataset: with ``data`` and ``class_names``.
        positions: of the items.

    Example:
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> len(SomeItems(DigitsDataset("test"), [0, 4]))
        2
    """

    def __init__(self, dataset: Any, positions: Sequence[int]) -> None:
        self.dataset = dataset
        self.positions = list(positions)
        self.class_names = dataset.class_names
        self.data = [dataset.data[position] for position in positions]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.positions[index]]


def without_copies(dataset: Any, training: Any, drop_held_out: bool) -> Any:
    """A held-out section as a run uses it: without the images that training holds, if the run dropped those.

    Args:
        dataset: the section.
        training: the training section, of which the run dropped the copies unless ``drop_held_out``.
        drop_held_out: see :func:`disjoint`.

    Example:
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> section = DigitsDataset("test")
        >>> without_copies(section, DigitsDataset("training"), True) is section
        True
    """
    if not drop_held_out:
        return dataset
    trained = set(ClassBank.from_dataset(training).image_hashes())
    codes = ClassBank.from_dataset(dataset).image_hashes()
    positions = [position for position, code in enumerate(codes) if code not in trained]
    return dataset if len(positions) == len(codes) else SomeItems(dataset, positions)
