"""Sums and counts per class, and the distance between the class means that they define."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_distill.runtime.processes import exchange

__all__ = ["ClassSums", "class_mean_distance", "class_sums", "sum_over_processes"]


class ClassSums(NamedTuple):
    """Sums [classes, F] and counts [classes] of per-image vectors.

    Sums of shards add up to the sum of all, which means of unequal shards do not. A data-parallel run therefore adds up
    both tensors (:func:`sum_over_processes`).

    Example:
        >>> left, right = (class_sums(torch.ones(n, 2), torch.zeros(n, dtype=torch.long), 1) for n in (1, 3))
        >>> left.plus(right).counts
        tensor([4.])
    """

    sums: Tensor
    counts: Tensor

    def plus(self, other: ClassSums) -> ClassSums:
        """The sums and counts of both."""
        return ClassSums(self.sums + other.sums, self.counts + other.counts)


def class_sums(values: Tensor, labels: Tensor, num_classes: int) -> ClassSums:
    """Add up per-image vectors by class, on their device and without a transfer.

    Args:
        values: one vector per image, [n, F].
        labels: class numbers [n].
        num_classes: rows of the result; a class without images has sum and count 0.

    Example:
        >>> class_sums(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 1, 0]), 3)
        ClassSums(sums=tensor([[5.],
                [2.],
                [0.]]), counts=tensor([2., 1., 0.]))
    """
    sums = values.new_zeros(num_classes, values.shape[1]).index_add(0, labels, values)
    counts = values.new_zeros(num_classes).index_add(0, labels, values.new_ones(len(labels)))
    return ClassSums(sums, counts)


def sum_over_processes(parts: Sequence[ClassSums]) -> list[ClassSums]:
    """Add up the sums and counts of all processes; no gradient passes.

    Example:
        >>> sum_over_processes([class_sums(torch.ones(2, 1), torch.tensor([0, 0]), 1)])
        [ClassSums(sums=tensor([[2.]]), counts=tensor([2.]))]
    """
    totals = exchange.sums([tensor for part in parts for tensor in part])
    return [ClassSums(*pair) for pair in zip(totals[::2], totals[1::2], strict=True)]


def class_mean_distance(real: ClassSums, synthetic: ClassSums) -> Tensor:
    """Sum over classes of the squared distance between the two class means; a class absent on one side adds nothing.

    Raises:
        ValueError: if the two have different numbers of classes or features.

    Example:
        >>> labels = torch.tensor([0, 0])
        >>> real = class_sums(torch.tensor([[1.0], [3.0]]), labels, 1)
        >>> class_mean_distance(real, class_sums(torch.zeros(2, 1), labels, 1))
        tensor(4.)
    """
    if real.sums.shape != synthetic.sums.shape:
        raise ValueError(
            f"Expected sums of one shape [classes, features], got {tuple(real.sums.shape)} and "
            f"{tuple(synthetic.sums.shape)}. Use one network and one image size for both."
        )
    present = (real.counts > 0) & (synthetic.counts > 0)
    means = [side.sums / side.counts.clamp(min=1)[:, None] for side in (real, synthetic)]
    return torch.where(present, (means[0] - means[1]).square().sum(dim=1), 0.0).sum()
