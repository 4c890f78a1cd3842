"""Intermediate results of a network: the outputs of its activation layers, and its embedding."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.runtime.processes import exchange, group

__all__ = ["activations", "embedding", "shared_statistics"]


@contextlib.contextmanager
def shared_statistics(network: nn.Module) -> Iterator[None]:
    """Inside the block, batch norm layers in train mode take mean and variance over the batches of all processes.

    Each process holds a part of one batch, and the result equals that of the whole batch in one process. Neither
    gradients nor running statistics are supported; :class:`torch.nn.SyncBatchNorm` has both, but on GPUs only. In a
    single process nothing changes.

    Args:
        network: every process must call it equally often.

    Example:
        >>> import torch
        >>> norm = nn.BatchNorm2d(1)
        >>> with torch.no_grad(), shared_statistics(norm):
        ...     norm(torch.tensor([[[[1.0]]], [[[3.0]]]])).flatten().round(decimals=3)
        tensor([-1.,  1.])
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    if group.count() == 1:
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
    total, count = exchange.sums([images.sum(axes), size])
    mean = total / count
    (squares,) = exchange.sums([(images - mean.reshape(shape)).square().sum(axes)])
    return F.batch_norm(images, mean, squares / count, layer.weight, layer.bias, training=False, eps=layer.eps)


def embedding(network: nn.Module, images: Tensor) -> Tensor:
    """Features before the classifier, images [n, C, *spatial] to [n, F].

    Raises:
        ValueError: if the network has no ``embed``.

    Example:
        >>> import torch
        >>> from monai_distill.networks.nets import ConvNet
        >>> embedding(ConvNet(2, 1, 3, 8, width=4, depth=1), torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 64])
    """
    embed: Callable[[Tensor], Tensor] | None = getattr(network, "embed", None)
    if embed is None:
        raise ValueError(
            f"Expected a network with embed(images), got {type(network).__name__}. Use one of "
            "monai_distill.networks, or give it that method."
        )
    return embed(images)


def activations(network: nn.Module, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """The outputs [n, C_l, *spatial_l] of all layers in ``network.feature_layers``, in order, and the embedding [n, F].

    Raises:
        ValueError: if the network names no feature layers, or a layer did not run exactly once.

    Example:
        >>> import torch
        >>> from monai_distill.networks.nets import ConvNet
        >>> layers, _ = activations(ConvNet(2, 1, 3, 8, width=4, depth=2), torch.zeros(5, 1, 8, 8))
        >>> [tuple(layer.shape) for layer in layers]
        [(5, 4, 8, 8), (5, 4, 4, 4)]
    """
    names = tuple(getattr(network, "feature_layers", ()))
    if not names:
        raise ValueError(
            f"Expected a network that names its feature_layers, got {type(network).__name__} without any. Use one of "
            "monai_distill.networks, or give it that tuple of submodule names."
        )
    outputs: dict[str, list[Tensor]] = {name: [] for name in names}

    def store(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, inputs, output: outputs[name].append(output)

    handles = [network.get_submodule(name).register_forward_hook(store(name)) for name in names]
    try:
        last = embedding(network, images)
    finally:
        for handle in handles:
            handle.remove()
    odd = {name: len(tensors) for name, tensors in outputs.items() if len(tensors) != 1}
    if odd:
        raise ValueError(
            f"Expected every feature layer to run once per forward pass, got {odd}. Use one module per place."
        )
    return [outputs[name][0] for name in names], last
