"""HoP-TM: a mask that easy parameters join first and that no parameter leaves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import AnglePenalty, GrowingMaskLoss, TrajectoryMatchingLoss, angle_matrix
from monai_distill.runtime.randomness import seeded_generator
from tests.losses.segments import segment

BASE, GROWTH, EVERY = 0.05, 2.0, 3


def make() -> GrowingMaskLoss:
    return GrowingMaskLoss(base=BASE, growth=GROWTH, every=EVERY)


def draws(iteration: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(3, 40, generator=seeded_generator(0, iteration), dtype=torch.float64))


def test_every_iteration_equals_the_formula() -> None:
    loss, mask = make(), np.zeros(40, dtype=bool)
    counts = []
    for iteration in range(12):
        start, end, target = draws(iteration)
        value = loss([start, end], segment(start, target, iteration=iteration))
        error, way = (end - target).numpy() ** 2, (start - target).numpy() ** 2
        mask |= error < BASE * GROWTH ** (iteration // EVERY)
        assert float(value) == pytest.approx(error[mask].sum() / way[mask].sum(), rel=1e-12)
        counts.append(int(mask.sum()))
    assert loss.mask is not None
    assert loss.mask.tolist() == mask.tolist()
    assert counts == sorted(counts)
    assert 0 < counts[0] < counts[-1]


def test_all_parameters_count_while_the_mask_is_empty() -> None:
    start, end, target = draws(0)
    given = segment(start, target)
    value = GrowingMaskLoss(base=1e-30, growth=1.0)([start, end], given)
    assert float(value) == float(TrajectoryMatchingLoss()([start, end], given))


def test_it_continues_from_its_state_and_repeating_an_iteration_changes_nothing(tmp_path: object) -> None:
    whole, first = make(), make()
    for iteration in range(8):
        start, end, target = draws(iteration)
        given = segment(start, target, iteration=iteration)
        expected = whole([start, end], given)
        if iteration < 5:
            first([start, end], given)
    second = make()
    second.load_state_dict(first.state_dict())
    for iteration in (4, 5, 6, 7):
        start, end, target = draws(iteration)
        value = second([start, end], segment(start, target, iteration=iteration))
    assert float(value) == float(expected)
    assert make().state_dict() == {"mask": None}


def test_the_penalty_is_added() -> None:
    start, end, target = draws(1)
    given = segment(start, target, middle=(start + target) / 2 + 0.1)
    states = [start, start + 0.3, end]
    penalty = AnglePenalty(0.7)
    both = GrowingMaskLoss(base=BASE, growth=GROWTH, every=EVERY, penalty=penalty)(states, given)
    assert float(both) == pytest.approx(float(make()(states, given)) + float(penalty(states, given)))


def test_every_parameter_joins_where_the_threshold_overflows() -> None:
    start, target, end = torch.zeros(3), torch.ones(3), torch.tensor([0.5, -1e18, 3.0])
    loss = GrowingMaskLoss(base=1e-6, growth=2.0, every=1)  # 2 ** 5000 is no number
    value = loss([start, end], segment(start, target, iteration=5000))
    assert float(value) == pytest.approx(float(((end - target) ** 2).sum() / 3))
    assert loss.mask is not None
    assert bool(loss.mask.all())


@pytest.mark.parametrize("settings", [{"base": 0.0}, {"growth": 0.9}, {"every": 0}])
def test_settings_of_a_mask_that_cannot_grow_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        GrowingMaskLoss(**{"base": BASE, "growth": GROWTH, "every": EVERY, **settings})  # type: ignore[arg-type]


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
