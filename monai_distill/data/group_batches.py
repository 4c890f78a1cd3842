"""Batches in which every group of a class (a site, a scanner, a sex) has the same weight."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from monai_distill.runtime.randomness import seeded_generator

from .class_bank import ClassBank
from .class_batches import ClassBatch, ClassBatches

__all__ = ["GroupBatches", "class_or_group_batches"]


class GroupBatches:
    """Batches whose class means are the uniform means of the group means, however few images a group has.

    A method that matches class means of real images then aims, for every class, at ``b_c = 1/|G_c| sum_g mu_cg`` over
    the groups g that the class has, instead of the mean over all its images, in which a small group is lost.

    References:
        COBRA (ICML 2026): the uniform barycenter of subgroup means as the target of distribution matching.

    Deviation: the groups are weighted by drawing as many images of each, so that any statistic of a batch's class
        (means of features, characteristic functions) has uniform groups and no loss changes. A group with fewer images
        repeats them, each once before any comes twice. There is no warm-up on the mean over all images.

    Args:
        bank: the training images.
        groups: the group of every image.
        batch_per_class: images per class in a batch; rounded to a multiple of the class's number of groups.
        seed: seed of the run.

    Raises:
        ValueError: if ``batch_per_class`` is below 1, a class has no images, or the number of groups differs from
            that of images.

    Example:
        >>> bank = ClassBank(torch.arange(5.0).reshape(5, 1, 1, 1), torch.tensor([0, 0, 0, 0, 1]), ["a", "b"])
        >>> batch = GroupBatches(bank, ["north", "north", "north", "south", "south"], 4, seed=0)[0]
        >>> batch.counts, (batch.images.flatten()[:4] == 3).sum()
        ((4, 4), tensor(2))
    """

    def __init__(self, bank: ClassBank, groups: Sequence[str], batch_per_class: int, *, seed: int) -> None:
        if len(groups) != len(bank):
            raise ValueError(f"Expected one group per image, got {len(groups)} groups and {len(bank)} images.")
        plain = ClassBatches(bank, batch_per_class, seed=seed)  # refuses empty classes
        self.bank = plain.bank
        self.seed = seed
        names = sorted(set(groups))
        codes = torch.tensor([names.index(group) for group in groups], dtype=torch.long, device=bank.labels.device)
        cells = ClassBank(
            bank.images, bank.labels * len(names) + codes, [str(i) for i in range(bank.num_classes * len(names))]
        )
        self.cells = [
            [cell for cell in range(c * len(names), (c + 1) * len(names)) if cells.counts[cell]]
            for c in range(bank.num_classes)
        ]
        self.each = [max(1, round(batch_per_class / len(cells_of_class))) for cells_of_class in self.cells]
        self.counts = tuple(n * len(cells_of_class) for n, cells_of_class in zip(self.each, self.cells, strict=True))
        self._cell_bank = cells

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs: none."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""

    def __getitem__(self, iteration: int) -> ClassBatch:
        generator = seeded_generator(self.seed, "group batch", iteration)
        rows = torch.cat(
            [
                self._cell_bank.draw_indices(cell, count, generator)
                for count, cells in zip(self.each, self.cells, strict=True)
                for cell in cells
            ]
        )
        return ClassBatch(iteration, self.bank.images[rows], self.bank.labels[rows], self.counts)


def class_or_group_batches(
    bank: ClassBank, batch_per_class: int, *, seed: int, groups: Sequence[str] | None = None
) -> ClassBatches | GroupBatches:
    """:class:`GroupBatches` where groups are given, else :class:`ClassBatches`.

    Example:
        >>> bank = ClassBank(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> type(class_or_group_batches(bank, 1, seed=0)).__name__
        'ClassBatches'
    """
    if groups is None:
        return ClassBatches(bank, batch_per_class, seed=seed)
    return GroupBatches(bank, groups, batch_per_class, seed=seed)
