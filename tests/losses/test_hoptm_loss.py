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
