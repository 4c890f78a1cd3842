"""Functions that make the preprocessing from the training images, or from constants."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor

from .standardize import Standardize
from .zca_whitening import ZCAWhitening

__all__ = ["fit_constants", "preprocessing_fit"]


def preprocessing_fit(zca: bool, spatial_dims: int) -> Callable[[Tensor], Any]:
    """The ``fit`` of ZCA whitening, or of standardization by channel.

    Args:
        zca: whether to whiten.
        spatial_dims: 2 or 3.

    Example:
        >>> import torch
        >>> type(preprocessing_fit(False, 2)(torch.rand(4, 1, 8, 8))).__name__
        'Standardize'
    """
    return ZCAWhitening.fit if zca else functools.partial(Standardize.fit, spatial_dims=spatial_dims)


def fit_constants(images: Tensor, *, mean: float, std: float, spatial_dims: int) -> Standardize:
    """Standardization by constants that do not depend on the images.

    Args:
        images: [B, C, *spatial]; only the number of channels is used.
        mean: of every channel.
        std: of every channel.
        spatial_dims: 2 or 3.

    Example:
        >>> import torch
        >>> fit_constants(torch.rand(4, 2, 8, 8), mean=0.5, std=0.25, spatial_dims=2).mean
        (0.5, 0.5)
    """
    channels = images.shape[1]
    return Standardize([mean] * channels, [std] * channels, spatial_dims)
