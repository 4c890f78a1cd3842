"""The interface of every network of this package: checked input, an embedding, a last layer called classifier."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "ImageClassifier", "pooled_mean"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
}


class ImageClassifier(nn.Module, abc.ABC):
    """A network from images of one fixed shape to logits; subclasses write :meth:`embed` and set ``classifier``.

    The shape is fixed because distilled images have one shape; a network that silently accepts another one hides
    mistakes. Networks have no state besides their parameters (except ``norm="batch"``). They are therefore safe under
    ``torch.func.functional_call``, ``torch.func.vmap`` and double backward.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of an image.
        num_classes: number of logits.
        image_size: pixels per side, one number or one per axis.

    Raises:
        ValueError: for arguments out of range.
    """

    __jit_unused_properties__ = ("feature_layers", "num_features")
    if TYPE_CHECKING:  # TorchScript would try to read the annotation
        classifier: nn.Linear

    def __init__(self, spatial_dims: int, in_channels: int, num_classes: int, image_size: int | Sequence[int]) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"Expected spatial_dims 2 or 3, got {spatial_dims}. Reshape the images to 2D or 3D.")
        if in_channels < 1 or num_classes < 1:
            raise ValueError(f"Expected in_channels and num_classes from 1 up, got {in_channels} and {num_classes}.")
        sides = (image_size,) * spatial_dims if isinstance(image_size, int) else tuple(int(side) for side in image_size)
        if len(sides) != spatial_dims or min(sides) < 1:
            raise ValueError(
                f"Expected image_size to be a positive number or {spatial_dims} of them, got {image_size}. "
                "Pass one side per spatial axis."
            )
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.image_size: tuple[int, ...] = sides

    @property
    def feature_layers(self) -> tuple[str, ...]:
        """Names (valid for ``get_submodule``) of the activation modules in forward order, for forward hooks."""
        kinds = tuple(ACTIVATIONS.values())
        return tuple(name for name, module in self.named_modules() if isinstance(module, kinds))

    @property
    def num_features(self) -> int:
        """Length F of the embedding."""
        return self.classifier.in_features

    @abc.abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Features before the classifier: images [B, C, *spatial] to [B, F]."""

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, *spatial] to logits [B, num_classes]."""
        logits: Tensor = self.classifier(self.embed(x))
        return logits

    def check_images(self, x: Tensor) -> None:
        """Refuse images that are not [B, in_channels, *image_size]; TorchScript skips the check.

        Raises:
            ValueError: if the shape differs.
        """
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return
        expected = (self.in_channels, *self.image_size)
        if tuple(x.shape[1:]) != expected:
            raise ValueError(
                f"Expected images of shape [B, {', '.join(map(str, expected))}], got {list(x.shape)}. Resize the "
                "images or build the network with their in_channels and image_size."
            )

    def require_side(self, smallest: int, reason: str) -> None:
        """Refuse an image size with a side under ``smallest`` pixels.

        Raises:
            ValueError: if a side is smaller.
        """
        if min(self.image_size) < smallest:
            raise ValueError(
                f"Expected at least {smallest} pixels per side for {type(self).__name__} ({reason}), got image_size "
                f"{self.image_size}. Use larger images or a ConvNet of small depth."
            )


def pooled_mean(features: Tensor) -> Tensor:
    """Mean over all pixels, [B, C, *spatial] to [B, C]; deterministic on CUDA, unlike adaptive pooling."""
    return torch.flatten(features, 2).mean(dim=2)
