"""Bytes and their scale."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_distill.export.release.formats.npz import EightBit


@pytest.mark.parametrize(("low", "high"), [(-3.0, 5.0), (0.2, 0.7), (-0.1, 0.9), (0.0, 1.0)])
def test_rounding_moves_a_pixel_by_at_most_half_a_level(low: float, high: float) -> None:
    pixels = torch.linspace(low, high, 1001).reshape(1, 7, 143)
    scale = EightBit.of(pixels)
    back = scale.to_pixels(scale.to_bytes(pixels))
    assert back.dtype == torch.float32
    assert back.shape == pixels.shape
    assert float((back - pixels).abs().max()) <= (max(high, 1) - min(low, 0)) / 255 / 2 + 1e-6


def test_a_set_in_the_range_of_real_images_keeps_their_scale() -> None:
    assert EightBit.of(torch.tensor([0.3, 0.9])) == EightBit(0.0, 1.0)
    assert EightBit(0.0, 1.0).to_bytes(torch.tensor([0.0, 1 / 255, 1.0])).tolist() == [0, 1, 255]


@pytest.mark.parametrize("limits", [(1.0, 1.0), (0.0, float("nan")), (0.0, float("inf"))])
def test_a_scale_without_extent_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="finite low < high"):
        EightBit(*limits)
