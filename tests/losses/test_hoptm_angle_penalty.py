"""HoP-TM's penalty: the angles of two triangles, and their smooth L1 distance."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import AnglePenalty
from monai_distill.losses.hoptm_loss import angle_matrix
from monai_distill.runtime.randomness import seeded_generator
from tests.losses.segments import segment


def _reference_angles(points: list[np.ndarray]) -> np.ndarray:
    """The cosine at corner i between the directions to j and k (Park et al. 2019, https://arxiv.org/abs/1904.05068)."""
    out = np.zeros((3, 3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                a, b = points[j] - points[i], points[k] - points[i]
                if i not in (j, k):
                    out[i, j, k] = a @ b / np.sqrt((a @ a) * (b @ b))
    return out


def _reference_penalty(student: np.ndarray, expert: np.ndarray, weight: float) -> float:
    """Smooth L1 of the angle matrices (HoP-TM, https://arxiv.org/abs/2509.24177, shape-wise potential)."""
    difference = np.abs(student - expert)
    return weight * float(np.where(difference < 1, 0.5 * difference**2, difference - 0.5).mean())


@pytest.mark.parametrize("steps", [2, 5, 6])
def test_the_penalty_equals_the_formula(steps: int) -> None:
    start, middle, target, *states = torch.randn(3 + steps, 20, generator=seeded_generator(steps), dtype=torch.float64)
    states = [start, *states]
    value = AnglePenalty(0.3)(states, segment(start, target, middle))
    student = _reference_angles([s.numpy() for s in (states[0], states[steps // 2], states[-1])])
    expert = _reference_angles([s.numpy() for s in (start, middle, target)])
    assert float(value) == pytest.approx(_reference_penalty(student, expert, 0.3), rel=1e-10)
    np.testing.assert_allclose(angle_matrix([start, middle, target]), expert, atol=1e-12)


def test_a_student_on_the_expert_s_path_has_no_penalty_at_any_scale() -> None:
    start, middle, target = torch.randn(3, 20, generator=seeded_generator(0), dtype=torch.float64)
    given = segment(start, target, middle)
    assert float(AnglePenalty()([start, middle, target], given)) < 1e-12
    twice = [start, start + 2 * (middle - start), start + 2 * (target - start)]
    assert float(AnglePenalty()(twice, given)) < 1e-12


def test_points_that_coincide_give_finite_values_and_gradients() -> None:
    start = torch.randn(5, generator=seeded_generator(1))
    states = [start, start.clone().requires_grad_(), (start + 1).requires_grad_()]
    value = AnglePenalty()(states, segment(start, start + 2, start.clone()))
    gradients = torch.autograd.grad(value, states[1:], allow_unused=True, materialize_grads=True)
    assert bool(torch.isfinite(value))
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_a_segment_without_its_middle_is_refused() -> None:
    start, target = torch.zeros(2), torch.ones(2)
    with pytest.raises(ValueError, match="middle=True"):
        AnglePenalty()([start, start, target], segment(start, target))


def test_the_default_weight_is_one_half() -> None:
    start, middle, target, end = torch.randn(4, 20, generator=seeded_generator(2), dtype=torch.float64)
    given, states = segment(start, target, middle), [start, middle + 1, end]
    assert float(AnglePenalty()(states, given)) == pytest.approx(0.5 * float(AnglePenalty(1.0)(states, given)))
