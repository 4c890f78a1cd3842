"""The noise of every release: budgets add up to the requested ones, by independent arithmetic."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_distill.privacy.dp import GaussianEvent, epsilon_of
from monai_distill.privacy.dp.calibration import (
    class_sum_noise,
    dp_sgd_noise,
    initial_noise_std,
    prepare_releases,
    prototype_noise,
    prototype_rounds,
    require_budget_for_releases,
    statistics_noise,
)
from monai_distill.privacy.dp.expert_trainer import steps_per_epoch

shares = st.floats(0.01, 0.99)


@given(st.floats(0.3, 50), shares, st.integers(1, 9))
def test_the_two_releases_share_one_budget(sigma: float, share: float, rounds: int) -> None:
    """A Gaussian release of noise multiplier s costs 1 / s^2; the costs of all releases add up to 1 / sigma^2."""
    sums = 1 / class_sum_noise(sigma, share) ** 2
    prototypes = rounds / prototype_noise(sigma, share, rounds) ** 2
    assert math.isclose(sums + prototypes, 1 / sigma**2, rel_tol=1e-9)
    assert math.isclose(prototypes / (sums + prototypes), share, rel_tol=1e-9)


@pytest.mark.parametrize(("share", "rounds"), [(0.0, 1), (0.5, 1), (0.5, 4)])
def test_the_calibrated_releases_cost_the_budget_and_hardly_less(share: float, rounds: int) -> None:
    sigma = statistics_noise(3.0, 1e-5, share, rounds)
    events = [GaussianEvent("class sums", class_sum_noise(sigma, share))]
    if share:
        events.append(GaussianEvent("prototypes", prototype_noise(sigma, share, rounds), 1.0, rounds))
    assert 3.0 * 0.98 < epsilon_of(events, 1e-5) <= 3.0


@settings(max_examples=5, deadline=None)
@given(st.sampled_from([1.0, 3.0, 8.0]), st.sampled_from([0.05, 0.1]), st.integers(1, 3), st.integers(1, 3))
def test_all_steps_of_all_networks_cost_the_budget(epsilon: float, rate: float, epochs: int, networks: int) -> None:
    sigma = dp_sgd_noise(epsilon, 1e-5, rate, epochs, networks)
    steps = networks * epochs * steps_per_epoch(rate)
    spent = epsilon_of([GaussianEvent("steps", sigma, rate, steps)], 1e-5)
    assert spent <= epsilon
    assert epsilon_of([GaussianEvent("steps", sigma * 0.99, rate, steps)], 1e-5) > epsilon or sigma < 0.25


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"prototype_share.*{share}"):
        statistics_noise(1.0, 1e-5, share)


def test_without_prototypes_images_start_from_more_noise_and_one_image_is_one_round() -> None:
    assert initial_noise_std(0.0) > initial_noise_std(0.5)
    assert (prototype_rounds(4, 1), prototype_rounds(4, 2)) == (1, 4)
    assert prototype_noise(2.0, 0.0) == math.inf


class Recorder:
    """A ledger and a release that say what they were called with."""

    def __init__(self) -> None:
        self.event = GaussianEvent("sums", 2.0)
        self.checked: list[GaussianEvent] = []
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def check(self, events: list[GaussianEvent]) -> None:
        self.checked = events


def test_a_release_that_is_switched_off_is_neither_checked_nor_made() -> None:
    release, ledger = Recorder(), Recorder()
    require_budget_for_releases(ledger, [None, release])  # type: ignore[arg-type]
    prepare_releases([None, release])
    assert ledger.checked == [release.event]
    assert release.prepared == 1
