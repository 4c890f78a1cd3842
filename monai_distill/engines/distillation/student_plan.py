"""The images, augmentations and labels of every step of a student that learns from the synthetic set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.transforms.siamese_augment import AugmentParameters, SiameseAugment

__all__ = ["StudentPlan"]


class StudentPlan(NamedTuple):
    """The images of every step of a student, their augmentations and their labels.

    Attributes:
        batches: numbers [n] of a step's images in the set.
        augmentations: augmentation parameters of every step.
        labels: of a step's images, class numbers [n] or logits [n, classes]; None where the set learns its labels.

    Example:
        >>> data = SyntheticDataset(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 0]), ["a", "b"])
        >>> generator = torch.Generator().manual_seed(0)
        >>> plan = StudentPlan.random(data, SiameseAugment(()), 2, None, generator, labels=data.labels)
        >>> [sorted(rows.tolist()) for rows in plan.batches], len(plan.augmentations)
        ([[0, 1, 2], [0, 1, 2]], 2)
    """

    batches: Sequence[Tensor]
    augmentations: Sequence[AugmentParameters]
    labels: Sequence[Tensor] | None

    @classmethod
    def random(
        cls,
        synthetic: SyntheticDataset,
        augment: SiameseAugment,
        steps: int,
        batch_size: int | None,
        generator: torch.Generator,
        *,
        labels: Tensor | None,
    ) -> StudentPlan:
        """A plan of ``steps`` steps: shuffled rounds over the canvases, cut into batches; the last may be smaller.

        Where a canvas holds several images, a step takes a random one of each canvas, so that its cost stays the same.
        ``labels`` are those of the whole set, class numbers [N] or logits [N, classes].
        """
        count, device = len(synthetic.images), synthetic.images.device
        size = count if batch_size is None else min(batch_size, count)
        batches: list[Tensor] = []
        while len(batches) < steps:
            batches += torch.split(torch.randperm(count, generator=generator), size)
        lengths = [len(rows) for rows in batches[:steps]]
        canvases = torch.cat(batches[:steps])
        shape = synthetic.images.shape[2:]
        augmentations = [augment.draw(length, shape, generator).to(device) for length in lengths]
        rows = _random_images(synthetic, canvases, generator).to(device, non_blocking=True)  # one transfer
        targets = None if labels is None else torch.split(labels[rows], lengths)
        return cls(torch.split(rows, lengths), augmentations, targets)


def _random_images(synthetic: SyntheticDataset, canvases: Tensor, generator: torch.Generator) -> Tensor:
    """The number [n] of a random image of every canvas [n]."""
    if synthetic.decode.is_identity:
        return canvases
    counts = synthetic.images_per_canvas
    places = (torch.rand(len(canvases), generator=generator, dtype=torch.float64) * counts[canvases]).long()
    return (counts.cumsum(0) - counts)[canvases] + places
