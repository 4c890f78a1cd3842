"""The plain convolutional network of the distillation literature, for any image size, 2D or 3D."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from monai.networks.layers.factories import Norm, Pool
from monai.networks.layers.utils import get_act_layer, get_norm_layer
from torch import Tensor, nn

from monai_distill.networks.layers.average_pool import AveragePool
from monai_distill.networks.layers.instance_norm import InstanceNorm
from monai_distill.networks.layers.plain_convolution import PlainConvolution

from .image_classifier import ACTIVATIONS, ImageClassifier

__all__ = ["ConvNet"]

Layer = str | tuple[str, Mapping[str, Any]] | list[Any]  # a name, or a name and its arguments, as MONAI writes it
NORMS = ("batch", "group", "instance", "layer", "none")
POOLINGS = ("avg", "max", "none")


class ConvNet(ImageClassifier):
    """``depth`` blocks of convolution, normalization, activation and pooling, then one linear layer.

    References:
        Gidaris and Komodakis, Dynamic Few-Shot Visual Learning without Forgetting, CVPR 2018,
        https://arxiv.org/abs/1804.09458; used by Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021,
        https://arxiv.org/abs/2006.05929, and by trajectory matching.

    Deviations: the size of the head follows from ``image_size``, so 28 pixels need no padding to 32. A single channel
    needs no special first padding. A depth that leaves a single pixel to normalize is refused.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels C of an image.
        num_classes: number of logits.
        image_size: pixels per side, one number or one per axis; odd sides and rectangles work.
        width: channels of every block.
        depth: number of blocks; each halves the sides (rounding down) unless ``pooling="none"``.
        norm: ``"instance"`` (one group per channel, affine, no running statistics), ``"group"`` (4 groups),
            ``"layer"`` (1 group), ``"batch"`` or ``"none"``; or as MONAI's networks take it, a name and arguments,
            such as ``("group", {"num_groups": 2})``.
        activation: ``"relu"``, ``"leaky_relu"``, ``"sigmoid"`` or ``"silu"``; or a name and arguments, as above.
        pooling: ``"avg"``, ``"max"`` or ``"none"``.

    Raises:
        ValueError: for an unknown name, or a depth at which a block would see fewer than 2 pixels on a side.

    Example:
        >>> network = ConvNet(spatial_dims=2, in_channels=1, num_classes=3, image_size=(28, 20), width=4, depth=2)
        >>> network(torch.zeros(5, 1, 28, 20)).shape, network.embed(torch.zeros(5, 1, 28, 20)).shape
        (torch.Size([5, 3]), torch.Size([5, 140]))
        >>> network.feature_layers
        ('features.act0', 'features.act1')
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_classes: int,
        image_size: int | Sequence[int],
        width: int = 128,
        depth: int = 3,
        norm: Layer = "instance",
        activation: Layer = "relu",
        pooling: str = "avg",
    ) -> None:
        super().__init__(spatial_dims, in_channels, num_classes, image_size)
        _require_known("norm", norm, NORMS)
        _require_known("activation", activation, ACTIVATIONS)
        _require_known("pooling", pooling, POOLINGS)
        if width < 1 or depth < 1 or (norm == "group" and width % 4):
            raise ValueError(
                f"Expected width and depth of at least 1 (and a multiple of 4 as width for norm='group'), got width "
                f"{width} and depth {depth}."
            )
        self._require_depth(depth, pooling)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        sides, channels = self.image_size, in_channels
        for block in range(depth):
            layers[f"conv{block}"] = PlainConvolution(spatial_dims, channels, width, kernel_size=3, padding=1)
            if norm != "none":
                layers[f"norm{block}"] = _norm_layer(norm, spatial_dims, width)
            layers[f"act{block}"] = _activation(activation)
            if pooling != "none":
                layers[f"pool{block}"] = _pool_layer(pooling, spatial_dims)
                sides = tuple(side // 2 for side in sides)
            channels = width
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(width * torch.Size(sides).numel(), num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Flattened features before the classifier: images [B, C, *spatial] to [B, F]."""
        self.check_images(x)
        return torch.flatten(self.features(x), 1)

    @property
    def feature_layers(self) -> tuple[str, ...]:
        """Names (valid for ``get_submodule``) of the activations in forward order, whatever class they have."""
        return tuple(f"features.{name}" for name, _ in self.features.named_children() if name.startswith("act"))

    def _require_depth(self, depth: int, pooling: str) -> None:
        # Normalizing one pixel per channel gives a constant (zero), so such a block would hide the image from the head.
        halvings = 0 if pooling == "none" else depth - 1
        smallest = min(self.image_size)
        if smallest >> halvings < 2:
            largest = smallest.bit_length() - 1
            advice = f"use depth {largest} or less" if largest else "use images of at least 2 pixels per side"
            raise ValueError(
                f"Expected every block to see at least 2 pixels per side, got depth {depth} for image_size "
                f"{self.image_size}: {advice}, or larger images."
            )


def _activation(activation: Layer) -> nn.Module:
    if isinstance(activation, str):
        return ACTIVATIONS[activation]()
    layer: nn.Module = get_act_layer((activation[0], dict(activation[1])))
    return layer


def _norm_layer(norm: Layer, spatial_dims: int, channels: int) -> nn.Module:
    if not isinstance(norm, str):
        made: nn.Module = get_norm_layer((norm[0], dict(norm[1])), spatial_dims, channels)
        return made
    if norm == "batch":
        layer: nn.Module = Norm[Norm.BATCH, spatial_dims](channels)
        return layer
    if norm == "instance":
        return InstanceNorm(channels)
    return nn.GroupNorm({"group": 4, "layer": 1}[norm], channels)


def _pool_layer(pooling: str, spatial_dims: int) -> nn.Module:
    if pooling == "avg":
        return AveragePool(spatial_dims)
    layer: nn.Module = Pool[pooling, spatial_dims](kernel_size=2, stride=2)
    return layer


def _require_known(argument: str, value: Layer, available: Iterable[str]) -> None:
    if isinstance(value, str):
        known = value in available
    else:
        known = len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], Mapping)
    if not known:
        raise ValueError(
            f"Expected {argument} to be one of {sorted(available)}, or a name of MONAI's layers and its arguments, got "
            f"{value!r}."
        )
