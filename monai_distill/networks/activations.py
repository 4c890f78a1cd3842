"""What a network computes on the way: the outputs of its activation layers, and its embedding."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

__all__ = ["activations", "embedding"]


def embedding(network: nn.Module, images: Tensor) -> Tensor:
    """Features before the classifier, images [n, C, *spatial] to [n, F].

    Raises:
        ValueError: when the network has no ``embed``.

    Example:
        >>> import torch
        >>> from monai_distill.networks import ConvNet
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
        ValueError: when the network names no feature layers, or one did not run exactly once.

    Example:
        >>> import torch
        >>> from monai_distill.networks import ConvNet
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

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, inputs, output: outputs[name].append(output)

    handles = [network.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        last = embedding(network, images)
    finally:
        for handle in handles:
            handle.remove()
    odd = {name: len(found) for name, found in outputs.items() if len(found) != 1}
    if odd:
        raise ValueError(f"Expected every feature layer to run once a forward pass, got {odd}. Use a module a place.")
    return [outputs[name][0] for name in names], last
