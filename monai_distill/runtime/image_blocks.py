"""Images that are read by index, in blocks of bounded size, whatever stores them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["BLOCK_BYTES", "Images", "block_length", "blocks"]

BLOCK_BYTES = 64 * 2**20  # of float32 values in one block


class Images(Protocol):
    """Images [n, channels, *spatial] that are read by index.

    A tensor is one; :class:`~monai_distill.data.prepared_images.PreparedImages`, which never holds all of them as
    float32, is another.
    """

    @property
    def shape(self) -> torch.Size:
        """Number of images, channels and sides."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of the values that indexing gives."""

    @property
    def device(self) -> torch.device:
        """Device of the tensors that indexing gives."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Tensor: ...


def block_length(images: Images) -> int:
    """The number of images whose float32 values take 64 MiB, at least 1.

    Example:
        >>> block_length(torch.zeros(5, 1, 2048, 2048))
        4
    """
    return max(BLOCK_BYTES // (4 * max(images.shape[1:].numel(), 1)), 1)


def blocks(images: Images, size: int | None = None) -> Iterator[Tensor]:
    """All images in order, in blocks of ``size`` (by default as many as fit 64 MiB of float32 values).

    Example:
        >>> [len(block) for block in blocks(torch.zeros(5, 1, 2, 2), 2)]
        [2, 2, 1]
    """
    count = size or block_length(images)
    for low in range(0, len(images), count):
        yield images[low : low + count]
