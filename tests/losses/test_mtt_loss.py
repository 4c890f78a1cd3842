"""MTT: the normalized distance of trajectory matching."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import TrajectoryMatchingLoss
from monai_distill.losses.mtt_loss import relative_distance
from monai_distill.runtime.randomness import seeded_generator
from tests.losses.segments import segment


def _reference_loss(last: np.ndarray, start: np.ndarray, target: np.ndarray) -> float:
    """Eq. 2 of https://arxiv.org/abs/2203.11932."""
    return float(np.linalg.norm(last - target) ** 2 / np.linalg.norm(start - target) ** 2)


@pytest.mark.parametrize("size", [1, 2, 1001])
def test_loss_equals_the_ratio_of_squared_distances(size: int) -> None:
    start, middle, last, target = torch.randn(4, size, generator=seeded_generator(0, size), dtype=torch.float64)
    value = TrajectoryMatchingLoss()([start, middle, last], segment(start, target))
    expected = _reference_loss(last.numpy(), start.numpy(), target.numpy())
    assert value.shape == ()
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_a_student_that_stays_scores_one_and_one_that_arrives_zero() -> None:
    start, target = torch.randn(2, 50, generator=seeded_generator(1))
    assert float(TrajectoryMatchingLoss()([start, start.clone()], segment(start, target))) == 1.0
    assert float(TrajectoryMatchingLoss()([start, target.clone()], segment(start, target))) == 0.0


def test_the_loss_does_not_change_with_the_scale_of_the_parameters() -> None:
    start, last, target = torch.randn(3, 20, generator=seeded_generator(2), dtype=torch.float64)
    loss = TrajectoryMatchingLoss()
    torch.testing.assert_close(
        loss([1e-3 * last], segment(1e-3 * start, 1e-3 * target)), loss([last], segment(start, target))
    )


def test_gradient_is_twice_the_remaining_distance_over_the_squared_length() -> None:
    start, last, target = torch.randn(3, 7, generator=seeded_generator(3), dtype=torch.float64)
    last.requires_grad_()
    (gradient,) = torch.autograd.grad(TrajectoryMatchingLoss()([start, last], segment(start, target)), last)
    torch.testing.assert_close(gradient, 2 * (last.detach() - target) / (start - target).norm() ** 2)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_an_expert_that_did_not_move_is_refused(value: float) -> None:
    start = torch.ones(5)
    with pytest.raises(ValueError, match="did not move"):
        TrajectoryMatchingLoss()([start], segment(start, start + value))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_mask_selects_the_parameters_of_numerator_and_denominator_at_any_scale(scale: float) -> None:
    start, last, target = scale * torch.randn(3, 30, generator=seeded_generator(4), dtype=torch.float64)
    mask = torch.arange(30) % 3 == 0
    value = relative_distance(last, segment(start, target), mask)
    expected = _reference_loss(last[mask].numpy(), start[mask].numpy(), target[mask].numpy())
    assert float(value) == pytest.approx(expected, rel=1e-12)
