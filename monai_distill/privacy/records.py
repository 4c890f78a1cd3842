"""Images grouped by the record that they belong to, and sums to which no record adds more than the clip."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from monai_distill.data import ClassBank

__all__ = ["clipped_sum", "record_codes", "whole_records"]


def record_codes(bank: ClassBank) -> Tensor:
    """Which record every image [n] belongs to: its patient where patients are known, else the image itself.

    Example:
        >>> record_codes(ClassBank(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"]))
        tensor([0, 1])
    """
    return torch.arange(len(bank)) if bank.patients is None else bank.patients.cpu()


def clipped_sum(vectors: Tensor, codes: Tensor, labels: Tensor, num_classes: int, clip: float) -> Tensor:
    """Per class, the sum over records of the mean of their images' vectors, each record clipped over all classes.

    Args:
        vectors: [b, D], all images of some records.
        codes: the record of every image, [b].
        labels: class numbers [b].
        num_classes: rows of the result.
        clip: largest Euclidean length of what one record adds, all rows together.

    Returns:
        [classes, D].

    Raises:
        ValueError: when a vector is not finite, which no clip could bound.

    Example:
        >>> one = torch.ones(2, dtype=torch.long)
        >>> clipped_sum(torch.tensor([[3.0, 0.0], [0.0, 0.5]]), one.cumsum(0), one - 1, 1, clip=1.0)
        tensor([[1.0000, 0.5000]])
    """
    if not bool(torch.isfinite(vectors).all()):
        raise ValueError("Expected finite vectors, got NaN or infinity: no clip bounds these.")
    codes, labels = codes.to(vectors.device), labels.to(vectors.device)
    _, record, sizes = torch.unique(codes, return_inverse=True, return_counts=True)
    shares = vectors / sizes[record][:, None]
    pairs, place = torch.unique(record * num_classes + labels, return_inverse=True)
    rows = shares.new_zeros(len(pairs), vectors.shape[1]).index_add(0, place, shares)  # a record's row of one class
    owner = pairs // num_classes
    lengths = rows.new_zeros(len(sizes)).index_add(0, owner, rows.square().sum(dim=1)).sqrt()
    scales = (clip / lengths.clamp_min(1e-12)).clamp_max(1.0)
    total: Tensor = rows.new_zeros(num_classes, vectors.shape[1])
    return total.index_add_(0, pairs % num_classes, rows * scales[owner][:, None])


def whole_records(codes: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Positions of images in batches of about ``batch_size`` that never part a record.

    Example:
        >>> [batch.tolist() for batch in whole_records(torch.tensor([0, 1, 0, 2]), 3)]
        [[0, 2, 1], [3]]
    """
    order = torch.argsort(codes, stable=True)
    _, sizes = torch.unique_consecutive(codes[order], return_counts=True)
    held: list[Tensor] = []
    count = 0
    for images in torch.split(order, sizes.tolist()):
        if held and count + len(images) > batch_size:
            yield torch.cat(held)
            held, count = [], 0
        held.append(images)
        count += len(images)
    if held:
        yield torch.cat(held)
