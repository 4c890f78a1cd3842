"""Whitening of whole images by the inverse square root of their covariance, fitted once and invertible."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Any

import torch
from monai.transforms.transform import Transform
from monai.utils import TransformBackends
from torch import Tensor

from monai_distill.runtime.image_blocks import Images, blocks

__all__ = ["ZCAWhitening"]

LARGEST_LENGTH = 20000
ROWS_AT_ONCE = 4096


class ZCAWhitening(Transform):  # type: ignore[misc]
    """Zero-phase whitening: the image as a vector of D = C * pixels values, centered and multiplied by [D, D].

    References:
        Bell and Sejnowski, The "independent components" of natural scenes are edge filters, Vision Research 1997.
        MTT: Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
        https://arxiv.org/abs/2203.11932 (as preprocessing for distillation).

    Deviations: the fit computes in float64; the transform is invertible; any shape of D values works, in 2D or 3D.

    Args:
        mean: [D], mean image in image units.
        matrix: [D, D], symmetric, U diag(1 / sqrt(s + epsilon)) U^T of the covariance U diag(s) U^T.

    Raises:
        ValueError: if the shapes do not agree, or D is above 20000.

    Example:
        >>> images = torch.rand(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> whiten = ZCAWhitening.fit(images, epsilon=0.1)
        >>> whiten(images).shape, bool(torch.allclose(whiten.inverse(whiten(images)), images, atol=1e-5))
        (torch.Size([64, 1, 4, 4]), True)
    """

    backend = (TransformBackends.TORCH,)
    is_per_channel = False  # a canvas is decoded as pixels and whitened afterwards

    def __init__(self, mean: Tensor, matrix: Tensor) -> None:
        if mean.ndim != 1 or matrix.shape != (mean.shape[0], mean.shape[0]):
            raise ValueError(
                f"Expected mean [D] and matrix [D, D], got {list(mean.shape)} and {list(matrix.shape)}. "
                "Use ZCAWhitening.fit."
            )
        _require_affordable(mean.shape[0])
        self.mean = mean.detach().to(torch.float32)
        self.matrix = matrix.detach().to(torch.float32)
        self._inverse: Tensor | None = None

    @classmethod
    def fit(cls, images: Images, epsilon: float = 0.1) -> ZCAWhitening:
        """Fit to images [B, C, *spatial]; ``epsilon``, in squared image units, bounds the amplification.

        Raises:
            ValueError: if there is no image, epsilon is not positive, or an image has more than 20000 values.
        """
        if len(images.shape) < 2 or not images.shape.numel() or epsilon <= 0:
            raise ValueError(
                f"Expected images [B, C, ...] and a positive epsilon, got {list(images.shape)} and {epsilon}. Pass a "
                "batch."
            )
        length = math.prod(images.shape[1:])
        _require_affordable(length)
        mean = torch.zeros(length, dtype=torch.float64, device=images.device)
        for block in blocks(images, ROWS_AT_ONCE):
            mean += block.detach().reshape(-1, length).double().sum(0) / len(images)
        covariance = torch.zeros(length, length, dtype=torch.float64, device=images.device)
        for block in blocks(images, ROWS_AT_ONCE):
            centered = block.detach().reshape(-1, length).double() - mean
            covariance.addmm_(centered.T, centered)
        values, vectors = torch.linalg.eigh(covariance / len(images))
        # Rounding can leave eigenvalues a little below zero where the covariance is rank-deficient.
        matrix = (vectors * (values.clamp(min=0) + epsilon).rsqrt()) @ vectors.T
        return cls(mean, matrix)

    def __call__(self, images: Tensor) -> Tensor:
        """Whiten images [C, *spatial] or [B, C, *spatial]."""
        rows = self._rows(images)
        white = (rows - self.mean.to(rows)) @ self.matrix.to(rows)
        return white.reshape(images.shape)

    def inverse(self, images: Tensor) -> Tensor:
        """Undo :meth:`__call__`, up to rounding."""
        rows = self._rows(images)
        if self._inverse is None:  # in float64: the condition number is that of the data, and can be large
            self._inverse = torch.linalg.inv(self.matrix.double()).to(torch.float32)
        return (rows @ self._inverse.to(rows) + self.mean.to(rows)).reshape(images.shape)

    def config(self) -> dict[str, Any]:
        """A JSON-able MONAI config that, with :meth:`tensors`, builds the same transform."""
        return {"_target_": "monai_distill.transforms.ZCAWhitening"}

    def tensors(self) -> dict[str, Tensor]:
        """Constructor arguments too large for a config: mean [D] and matrix [D, D], float32."""
        return {"mean": self.mean, "matrix": self.matrix}

    def _rows(self, images: Tensor) -> Tensor:
        length = self.mean.shape[0]
        if length not in (math.prod(images.shape), math.prod(images.shape[1:])):
            raise ValueError(
                f"Expected images of {length} values each, [C, ...] or [B, C, ...], got {list(images.shape)}. "
                "Fit on images of this shape."
            )
        if not images.is_floating_point():
            raise TypeError(f"Expected floating-point images, got {images.dtype}. Convert them with .float() first.")
        return images.reshape(-1, length)


def _require_affordable(length: int) -> None:
    if length > LARGEST_LENGTH:
        raise ValueError(
            f"Expected images of at most {LARGEST_LENGTH} values for whitening, got {length}. The covariance alone "
            f"would need {8 * length**2 / 1e9:.1f} GB; use Standardize instead, or smaller images."
        )
