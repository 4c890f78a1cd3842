"""Standardization of each channel, fitted once and invertible."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.transforms.transform import Transform
from monai.utils import TransformBackends
from torch import Tensor

from monai_distill.runtime.image_blocks import Images, blocks

__all__ = ["Standardize"]


def _center_and_squares(channel: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of a channel and the sum of squared deviations from it, in float64; faster than ``torch.var_mean``."""
    values = channel.double().flatten()
    center = values.mean()
    values = values.sub_(center) if channel.dtype != torch.float64 else values - center  # a double is no copy
    return center, torch.dot(values, values)


class Standardize(Transform):  # type: ignore[misc]
    """Subtract the mean of each channel and divide by its standard deviation.

    References:
        Wang et al., Dataset Distillation, 2018, https://arxiv.org/abs/1811.10959, and every method since.

    Deviations: fitted on the given images in float64 instead of copied from a table; a constant channel is only
    centered.

    Args:
        mean: mean of each channel, in image units.
        std: standard deviation of each channel, in image units, positive.
        spatial_dims: 2 or 3; the channel axis is the one before these.

    Raises:
        ValueError: if the lists have different lengths, a std is not positive and finite, or spatial_dims is not 2 or
            3.

    Example:
        >>> standardize = Standardize.fit(torch.rand(8, 3, 4, 4), spatial_dims=2)
        >>> out = standardize(torch.rand(3, 4, 4))
        >>> out.shape, standardize.inverse(out).shape
        (torch.Size([3, 4, 4]), torch.Size([3, 4, 4]))
    """

    backend = (TransformBackends.TORCH,)
    is_per_channel = True  # averages of pixels stay averages: a canvas can be decoded before or after

    def __init__(self, mean: Sequence[float], std: Sequence[float], spatial_dims: int = 2) -> None:
        if spatial_dims not in (2, 3):
            raise ValueError(f"Expected spatial_dims 2 or 3, got {spatial_dims}. Reshape the images.")
        if len(mean) != len(std) or not mean or not all(0 < value < float("inf") for value in std):
            raise ValueError(
                f"Expected one mean and one positive std per channel, got {list(mean)} and {list(std)}. "
                "Use Standardize.fit, which gives a constant channel std 1."
            )
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)
        self.spatial_dims = spatial_dims

    @classmethod
    def fit(cls, images: Images, spatial_dims: int = 2) -> Standardize:
        """Fit to images [B, C, *spatial] with float64 sums; a constant channel gets std 1.

        Raises:
            ValueError: if the images have another rank, or no pixels.
        """
        if len(images.shape) != spatial_dims + 2 or not images.shape.numel():
            raise ValueError(
                f"Expected images [B, C] with {spatial_dims} spatial axes, got {list(images.shape)}. For volumes, pass "
                "spatial_dims 3. For colors, store 1 or 3 channels."
            )
        count, mean = 0, torch.zeros(images.shape[1], dtype=torch.float64)
        squares = torch.zeros_like(mean)  # sum of squared deviations from the mean so far
        low, high = torch.full_like(mean, float("inf")), torch.full_like(mean, float("-inf"))
        for block in blocks(images):
            # The update of Chan, Golub and LeVeque (1979) merges the statistics of two parts.
            values, pixels = block.detach(), (0, *range(2, block.ndim))
            center, spread = (
                torch.stack(v).cpu() for v in zip(*map(_center_and_squares, values.unbind(1)), strict=True)
            )
            size, shift = values.shape[0] * values.shape[2:].numel(), center - mean
            squares += spread + shift**2 * (count * size / (count + size))
            mean += shift * (size / (count + size))
            count += size
            low, high = torch.minimum(low, values.amin(pixels).cpu()), torch.maximum(high, values.amax(pixels).cpu())
        spread = torch.where(high > low, (squares / count).sqrt(), torch.ones_like(mean))
        return cls(mean.tolist(), spread.tolist(), spatial_dims)

    def __call__(self, images: Tensor) -> Tensor:
        """Standardize images [C, *spatial] or [B, C, *spatial]."""
        mean, std = self._statistics(images)
        return (images - mean) / std

    def inverse(self, images: Tensor) -> Tensor:
        """Undo :meth:`__call__`, up to rounding."""
        mean, std = self._statistics(images)
        return images * std + mean

    def config(self) -> dict[str, Any]:
        """A JSON-able MONAI config that, with :meth:`tensors`, builds the same transform."""
        return {
            "_target_": "monai_distill.transforms.Standardize",
            "mean": list(self.mean),
            "std": list(self.std),
            "spatial_dims": self.spatial_dims,
        }

    def tensors(self) -> dict[str, Tensor]:
        """Constructor arguments that are too large for a config; this class has none."""
        return {}

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        ranks = (self.spatial_dims + 1, self.spatial_dims + 2)
        if images.ndim not in ranks or images.shape[-ranks[0]] != len(self.mean):
            raise ValueError(
                f"Expected images [C, ...] or [B, C, ...] of {len(self.mean)} channels and {self.spatial_dims} spatial "
                f"axes, got {list(images.shape)}. Fit on images of this kind."
            )
        if not images.is_floating_point():
            raise TypeError(f"Expected floating-point images, got {images.dtype}. Convert them with .float() first.")
        shape = (-1, *(1,) * self.spatial_dims)
        mean = torch.tensor(self.mean, dtype=images.dtype, device=images.device).reshape(shape)
        return mean, torch.tensor(self.std, dtype=images.dtype, device=images.device).reshape(shape)
