"""Batch norm over the batches of several processes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill import processes

__all__ = ["shared_statistics"]


@contextlib.contextmanager
def shared_statistics(network: nn.Module) -> Iterator[None]:
    """Inside the block, batch norm layers in train mode take mean and variance over the batches of all processes.

    Each process holds a part of one batch, and the result is that of the whole batch in one process. Without a gradient
    and without running statistics: :class:`torch.nn.SyncBatchNorm` has both, but on GPUs only. Nothing changes in a
    single process.

    Args:
        network: every process calls it equally often.

    Example:
        >>> import torch
        >>> norm = nn.BatchNorm2d(1)
        >>> with torch.no_grad(), shared_statistics(norm):
        ...     norm(torch.tensor([[[[1.0]]], [[[3.0]]]])).flatten().round(decimals=3)
        tensor([-1.,  1.])
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    if processes.count() == 1:
        layers = []
    try:
        for layer in layers:
            setattr(layer, "forward", functools.partial(_normalized, layer))  # noqa: B010  (hides the class's own)
        yield
    finally:
        for layer in layers:
            delattr(layer, "forward")


def _normalized(layer: nn.modules.batchnorm._BatchNorm, images: Tensor) -> Tensor:
    axes = [0, *range(2, images.ndim)]
    shape = [1, -1, *[1] * (images.ndim - 2)]
    size = images.new_tensor([images.numel() / images.shape[1]])
    total, count = processes.sums([images.sum(axes), size])
    mean = total / count
    (squares,) = processes.sums([(images - mean.reshape(shape)).square().sum(axes)])
    return F.batch_norm(images, mean, squares / count, layer.weight, layer.bias, training=False, eps=layer.eps)
