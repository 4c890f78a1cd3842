"""Resizing and resampling: one filter per axis, and nothing from outside of the image."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from monai_distill.data.reading.fitting import fitted, resampled


def linear(image: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Weights that fall linearly to 0, over as many stored pixels as a new one covers, axis by axis."""
    for axis, new in enumerate(sizes, start=1):
        old = image.shape[axis]
        centers = (np.arange(new)[:, None] + 0.5) * old / new - 0.5
        weights = np.clip(1 - abs(np.arange(old) - centers) / max(old / new, 1), 0, None)
        weights /= weights.sum(1, keepdims=True)
        image = np.moveaxis(np.tensordot(weights, np.moveaxis(image, axis, 0), 1), 0, axis)
    return image


@pytest.mark.parametrize(
    "sizes", [(5, 4), (24, 7), (12, 30), (5, 6, 7), (12, 13, 5), (24, 5, 17), (3, 26, 8), (20, 20, 20)]
)
def test_a_resized_image_is_linear_with_anti_aliasing_along_every_axis(sizes: tuple[int, ...]) -> None:
    image = torch.rand(2, *(12, 13, 17)[: len(sizes)], generator=torch.Generator().manual_seed(0))
    assert fitted(image, sizes, "stretch").numpy() == pytest.approx(linear(image.double().numpy(), sizes), abs=2e-6)


@pytest.mark.parametrize("sizes", [(4, 4), (40, 10), (8, 4, 2), (4, 40, 20)])
def test_a_constant_image_stays_constant(sizes: tuple[int, ...]) -> None:
    ones = torch.ones(1, *(16, 20, 24)[: len(sizes)])
    assert fitted(ones, sizes, "stretch").numpy() == pytest.approx(1, abs=1e-6)
    spacing, pixdim = (1.0, 1.0, 2.0)[: len(sizes)], (4.0, 2.0, 2.0)[: len(sizes)]
    assert resampled(ones, spacing, pixdim).numpy() == pytest.approx(1, abs=1e-6)
