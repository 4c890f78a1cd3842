"""Layers that decide how a network can be used."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from torch import nn

__all__ = ["has_random_layers", "has_running_statistics", "mixes_images"]


def has_random_layers(network: nn.Module) -> bool:
    """Whether a forward pass in train mode uses the global random generators (dropout).

    Example:
        >>> has_random_layers(nn.Sequential(nn.Linear(2, 2), nn.Dropout()))
        True
    """
    kinds = (nn.modules.dropout._DropoutNd, nn.RReLU)
    return any(isinstance(module, kinds) for module in network.modules())


def has_running_statistics(network: nn.Module) -> bool:
    """Whether a batch norm layer has running statistics.

    Example:
        >>> has_running_statistics(nn.BatchNorm2d(2))
        True
    """
    kinds = nn.modules.batchnorm._BatchNorm
    return any(isinstance(m, kinds) and m.running_mean is not None for m in network.modules())


def mixes_images(network: nn.Module) -> bool:
    """Whether an image's output depends on its batch: batch norm.

    Example:
        >>> mixes_images(nn.GroupNorm(1, 2))
        False
    """
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
