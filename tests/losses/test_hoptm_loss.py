"""HoP-TM: a mask that easy parameters join first and that no parameter leaves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import AnglePenalty, GrowingMaskLoss, TrajectoryMatchingLoss
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
        value = loss([start, target, end], segment(start, target, iteration=iteration))  # only the last state counts
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


def test_an_error_equal_to_the_threshold_does_not_join() -> None:
    start, target, end = torch.zeros(2), torch.ones(2), torch.tensor([0.5, 0.75])  # squared errors 0.25 and 0.0625
    loss = GrowingMaskLoss(base=0.25, growth=2.0)
    loss([start, end], segment(start, target))
    assert loss.mask is not None
    assert loss.mask.tolist() == [False, True]


@pytest.mark.parametrize(("iteration", "joins"), [(499, False), (500, True)])
def test_the_threshold_grows_every_500_iterations_by_default(iteration: int, joins: bool) -> None:
    start, target, end = torch.zeros(2), torch.ones(2), torch.tensor([0.5, 1.0])  # squared errors 0.25 and 0
    loss = GrowingMaskLoss(base=0.2, growth=2.0)
    loss([start, end], segment(start, target, iteration=iteration))
    assert loss.mask is not None
    assert loss.mask.tolist() == [joins, True]


def test_the_threshold_is_a_power_in_double_precision() -> None:
    threshold = 1e-4 * 1.01**600
    start, target = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    end = target + (threshold * torch.tensor([1 - 1e-9, 1 + 1e-9], dtype=torch.float64)).sqrt()
    loss = GrowingMaskLoss(base=1e-4, growth=1.01, every=1)
    loss([start, end], segment(start, target, iteration=600))
    assert loss.mask is not None
    assert loss.mask.tolist() == [True, False]


def test_a_segment_is_not_compared_over_what_joined_for_another_segment_of_its_iteration() -> None:
    start, target = torch.zeros(2), torch.ones(2)
    first, second = [start, torch.tensor([0.9, 0.5])], [start, torch.tensor([0.5, 0.9])]
    loss = GrowingMaskLoss(base=0.05, growth=1.0)
    values = [float(loss(states, segment(start, target))) for states in (first, second)]
    assert values == pytest.approx([0.01, 0.01])  # one easy parameter each
    later = float(loss(second, segment(start, target, iteration=1)))
    assert later == pytest.approx((0.25 + 0.01) / 2)  # both have joined


@pytest.mark.parametrize("iteration", [0, 1, 2])
def test_a_resumed_run_compares_over_the_stored_mask_in_its_first_iteration(iteration: int) -> None:
    start, target, end = torch.zeros(2), torch.ones(2), torch.tensor([0.5, 1.0])
    loss = GrowingMaskLoss(base=0.05, growth=1.0)
    loss.load_state_dict({"mask": torch.tensor([True, False])})
    value = loss([start, end], segment(start, target, iteration=iteration))
    assert float(value) == pytest.approx(0.25 / 2)
