"""Sums over classes of what a function says of every image, to which no record adds more than the clip."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from tqdm import tqdm

from monai_distill.data import ClassBank

from .records import clipped_sum, record_codes, whole_records

__all__ = ["clipped_class_sums"]


def clipped_class_sums(
    bank: ClassBank, vectors_of: Callable[[Tensor], Tensor], *, clip: float = 1.0, batch_size: int = 256
) -> Tensor:
    """Add up one vector per record: the mean over the record's images of their vectors, each in the row of its class.

    A record is an image, or where patients are known a patient, who weighs one however many images there are. Its whole
    vector, over all classes together, is scaled down to the length ``clip`` when it is longer; so one record more or
    less moves the result by at most ``clip``.

    Args:
        bank: the training images.
        vectors_of: images [b, C, *spatial] to vectors [b, D]; of an image alone, never of its neighbours in the batch.
        clip: largest length of a record's vector.
        batch_size: about how many images go through ``vectors_of`` at once.

    Returns:
        [classes, D] float64 on the CPU.

    Raises:
        ValueError: when a vector is not finite, which no clip could bound, or when there is no image.

    Example:
        >>> bank = ClassBank(torch.ones(3, 1, 2, 2), torch.tensor([0, 1, 1]), ["a", "b"])
        >>> clipped_class_sums(bank, lambda x: x.flatten(1), clip=1.0)
        tensor([[0.5000, 0.5000, 0.5000, 0.5000],
                [1.0000, 1.0000, 1.0000, 1.0000]], dtype=torch.float64)
    """
    codes = record_codes(bank)
    total: Tensor | None = None
    with tqdm(total=len(bank), desc="class sums", unit="image", disable=None) as bar:
        for rows in whole_records(codes, batch_size):
            there = rows.to(bank.device)
            with torch.no_grad():
                vectors = vectors_of(bank.images[there]).to("cpu", torch.float64)
            part = clipped_sum(vectors, codes[rows], bank.labels[there].cpu(), bank.num_classes, clip)
            total = part if total is None else total + part
            bar.update(len(rows))
    if total is None:
        raise ValueError("Expected at least one training image, got none.")
    return total
