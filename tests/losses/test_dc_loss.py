"""DC: the layer-wise cosine distance, against loops over rows."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import GradientMatchingLoss
from monai_distill.runtime.randomness import seeded_generator

SHAPES = [(4, 3, 3, 3), (4,), (2, 4, 3, 3, 3), (5, 8), (5,)]


def _reference_loss(real: list[np.ndarray], own: list[np.ndarray]) -> float:
    """The distance of one layer is a sum over output rows (DC, https://arxiv.org/abs/2006.05929, eq. 5)."""
    total = 0.0
    for a, b in zip(real, own, strict=True):
        if a.ndim == 1:
            continue
        for row, other in zip(a.reshape(len(a), -1), b.reshape(len(b), -1), strict=True):
            total += 1 - row @ other / (np.linalg.norm(row) * np.linalg.norm(other) + 1e-6)
    return total


def gradients(name: str) -> list[torch.Tensor]:
    generator = seeded_generator(0, name)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


@pytest.mark.parametrize("kept", [slice(0, 1), slice(2, 3), slice(3, 4), slice(None)])
def test_loss_adds_up_one_minus_cosine_over_rows_of_every_layer(kept: slice) -> None:
    real, own = gradients("real")[kept], gradients("own")[kept]
    value = GradientMatchingLoss()(real, own)
    assert value.shape == ()
    expected = _reference_loss([r.numpy() for r in real], [o.numpy() for o in own])
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_biases_and_lengths_do_not_count() -> None:
    real = gradients("real")
    longer = [3 * tensor if tensor.ndim > 1 else -tensor for tensor in real]
    assert float(GradientMatchingLoss()(real, longer)) == pytest.approx(0, abs=1e-5)


def test_a_row_of_zeros_counts_one_and_has_a_finite_gradient() -> None:
    real, own = torch.ones(2, 3), torch.zeros(2, 3, requires_grad=True)
    value = GradientMatchingLoss()([real], [own])
    (gradient,) = torch.autograd.grad(value, own)
    assert float(value.detach()) == 2.0
    assert torch.isfinite(gradient).all()


def test_gradients_without_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="two dimensions"):
        GradientMatchingLoss()([torch.ones(3)], [torch.ones(3)])


def test_sides_with_another_number_of_gradients_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        GradientMatchingLoss()([torch.ones(2, 3), torch.ones(2, 3)], [torch.ones(2, 3)])
