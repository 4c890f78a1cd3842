"""Batch norm over one value per channel, which has no variance: refused in words that say what helps."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["refuse_single_values"]


def refuse_single_values(network: nn.Module) -> nn.Module:
    """Let every batch norm of ``network`` refuse a batch that has one value per channel while it trains.

    That is one image whose feature map has shrunk to 1 x 1. PyTorch refuses it too, but does not say what to do.

    Returns:
        The network, changed in place; a second call adds nothing.

    Raises:
        ValueError: from a call of the network.

    Example:
        >>> import torch
        >>> network = refuse_single_values(nn.BatchNorm2d(3))
        >>> network(torch.rand(2, 3, 1, 1)).shape
        torch.Size([2, 3, 1, 1])
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm) and _refuse not in module._forward_pre_hooks.values():
            module.register_forward_pre_hook(_refuse)
    return network


def _refuse(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    (values,) = inputs
    by_batch = module.training or getattr(module, "running_mean", None) is None
    if by_batch and values.ndim > 1 and values.numel() == values.shape[1]:
        raise ValueError(
            "Expected more than one value per channel for batch norm, got one image with a feature map of "
            f"{' x '.join(map(str, values.shape[2:])) or '1'} ({values.shape[1]} channels). Give more images to a "
            "batch (--images_per_class 2, or a method that takes all classes in one batch, such as dm), larger images "
            "(--image_size), or a network without batch norm (--network convnet)."
        )
