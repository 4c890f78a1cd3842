"""What a student of the synthetic set is going to see, drawn before anything is computed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_distill.data import SyntheticDataset
from monai_distill.transforms import AugmentDraw, SiameseAugment

__all__ = ["StudentPlan"]


class StudentPlan(NamedTuple):
    """Which images a student sees in every step, how they are augmented, and what it learns of them.

    Attributes:
        batches: positions [n] of a step's images in the set.
        draws: one per step.
        labels: of the whole set, class numbers [N] or logits [N, classes]; None where the set learns its own.

    Example:
        >>> data = SyntheticDataset(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 0]), ["a", "b"])
        >>> plan = StudentPlan.drawn(data, SiameseAugment(()), 2, None, torch.Generator().manual_seed(0), data.labels)
        >>> [sorted(rows.tolist()) for rows in plan.batches], len(plan.draws)
        ([[0, 1, 2], [0, 1, 2]], 2)
    """

    batches: Sequence[Tensor]
    draws: Sequence[AugmentDraw]
    labels: Tensor | None

    @classmethod
    def drawn(
        cls,
        synthetic: SyntheticDataset,
        augment: SiameseAugment,
        steps: int,
        batch_size: int | None,
        generator: torch.Generator,
        labels: Tensor | None,
    ) -> StudentPlan:
        """A plan of so many steps: shuffled rounds over the set, cut into batches, of which the last may be smaller."""
        count, device = len(synthetic), synthetic.images.device
        size = count if batch_size is None else min(batch_size, count)
        batches: list[Tensor] = []
        while len(batches) < steps:
            batches += torch.split(torch.randperm(count, generator=generator), size)
        lengths = [len(rows) for rows in batches[:steps]]
        shape = synthetic.images.shape[2:]
        draws = [augment.draw(length, shape, generator).to(device) for length in lengths]
        together = torch.cat(batches[:steps]).to(device, non_blocking=True)  # one transfer
        return cls(torch.split(together, lengths), draws, labels)
