"""ATT: the nearest student step is matched, by either norm, the latest of equally near ones."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import NearestStepLoss, TrajectoryMatchingLoss
from monai_distill.runtime.randomness import seeded_generator
from tests.losses.segments import segment


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("draw", range(6))
def test_the_nearest_step_is_chosen_and_its_loss_returned(norm: int, draw: int) -> None:
    start, target, *steps = torch.randn(8, 30, generator=seeded_generator(draw), dtype=torch.float64)
    distances = [np.linalg.norm((s - target).numpy(), ord=norm) for s in steps]
    chosen = steps[int(np.argmin(distances))]
    value = NearestStepLoss(norm)([start, *steps], segment(start, target))
    expected = np.linalg.norm(chosen - target) ** 2 / np.linalg.norm(start - target) ** 2
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_the_norms_can_disagree() -> None:
    start, target = torch.zeros(3), torch.tensor([3.0, 3.0, 0.0])
    states = [start, torch.tensor([3.0, 0.5, 0.0]), torch.tensor([1.6, 1.6, 0.2])]  # L1 2.5 and 3.0, L2 2.5 and 1.99
    assert NearestStepLoss(1).chosen(states, target) == 1
    assert NearestStepLoss(2).chosen(states, target) == 2


def test_the_start_is_never_chosen_and_the_latest_of_equals_is() -> None:
    target = torch.zeros(2)
    away, further = torch.ones(2), torch.full((2,), 5.0)
    assert NearestStepLoss().chosen([target, further], target) == 1
    assert NearestStepLoss().chosen([away, away, further, away.clone(), further], target) == 3


@pytest.mark.parametrize("norm", [1, 2])
def test_a_student_that_diverged_later_is_matched_where_it_was_nearest(norm: int) -> None:
    start, target, near, far = torch.zeros(4), torch.ones(4), torch.full((4,), 0.75), torch.full((4,), 9.0)
    lost = [torch.full((4,), value) for value in (float("inf"), float("nan"))]
    loss, given = NearestStepLoss(norm), segment(start, target)
    assert loss.chosen([start, far, near, *lost], target) == 2
    assert float(loss([start, far, near, *lost], given)) == pytest.approx(4 * 0.25**2 / 4)
    assert loss.chosen([start, *lost], target) == 2  # all are equally far: the latest
    assert not bool(torch.isfinite(loss([start, *lost], given)))  # nowhere to go: the distiller says so


@pytest.mark.parametrize("size", [5, 2_000_000])
def test_it_works_for_networks_of_any_size(size: int) -> None:
    start = torch.zeros(size)
    states = [start, torch.full((size,), 50.0), torch.full((size,), 40.0), torch.full((size,), 45.0)]
    assert NearestStepLoss().chosen(states, torch.full((size,), 10.0)) == 2  # each far beyond 10000 at the larger size


def test_with_one_step_it_is_the_ordinary_loss_and_the_gradient_reaches_the_chosen_step_alone() -> None:
    start, end, target = torch.randn(3, 9, generator=seeded_generator(3))
    given = segment(start, target)
    assert float(NearestStepLoss()([start, end], given)) == float(TrajectoryMatchingLoss()([start, end], given))
    states = [s.clone().requires_grad_() for s in (start, target + 0.1, target + 0.2)]
    pulls = torch.autograd.grad(NearestStepLoss()(states, given), states, allow_unused=True)
    assert [pull is None for pull in pulls] == [True, False, True]


@pytest.mark.parametrize("norm", [0, 3, "L1"])
def test_another_norm_is_refused(norm: int) -> None:
    with pytest.raises(ValueError, match=r"norm 1 .* or 2"):
        NearestStepLoss(norm)
