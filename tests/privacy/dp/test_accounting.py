"""Epsilon against closed forms, published values and Opacus; the noise that keeps a budget."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

pytest.importorskip("dp_accounting", reason="pip install 'monai-distill[privacy]'")
from monai_distill.privacy.dp import GaussianEvent, epsilon_of, noise_multiplier_for
from monai_distill.privacy.dp.accounting import true_positive_bound

SAMPLED = [(1.0, 0.0625, 16), (1.1, 0.01, 500), (2.0, 0.1, 200), (0.8, 0.004, 1000)]


def gaussian_delta(sigma: float, epsilon: float) -> float:
    """Balle and Wang, ICML 2018, theorem 8: exact for one Gaussian of sensitivity 1."""
    a, b = 1 / (2 * sigma), epsilon * sigma
    return float(norm.cdf(a - b) - math.exp(epsilon) * norm.cdf(-a - b))


@pytest.mark.parametrize(("sigma", "count"), [(0.7, 1), (3.73, 1), (5.0, 9), (20.0, 100)])
def test_full_batches_match_the_closed_form(sigma: float, count: int) -> None:
    exact = brentq(lambda e: gaussian_delta(sigma / math.sqrt(count), e) - 1e-5, 1e-3, 60)
    assert epsilon_of([GaussianEvent("x", sigma, steps=count)], 1e-5) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(("sigma", "rate", "count"), SAMPLED)
def test_sampled_batches_match_opacus(sigma: float, rate: float, count: int) -> None:
    accountants = pytest.importorskip("opacus.accountants", reason="Opacus is not installed")
    event = [GaussianEvent("x", sigma, rate, count)]
    for ours, theirs in (("pld", accountants.PRVAccountant()), ("rdp", accountants.RDPAccountant())):
        theirs.history = [(sigma, rate, count)]
        assert epsilon_of(event, 1e-5, ours) == pytest.approx(theirs.get_epsilon(1e-5), rel=0.01)


def test_many_steps_match_the_closed_form() -> None:
    exact = brentq(lambda e: gaussian_delta(2.0, e) - 1e-5, 1e-3, 60)  # the errors of 10,000 steps must not add up
    assert epsilon_of([GaussianEvent("x", 200.0, steps=10_000)], 1e-5) == pytest.approx(exact, rel=0.01)


def test_the_noise_of_a_huge_epsilon_stops_at_the_smallest_that_can_be_accounted_for() -> None:
    sigma = noise_multiplier_for(lambda s: [GaussianEvent("x", s)], 1e6, 1e-5)
    assert 0.1 < sigma <= 0.4


@pytest.mark.parametrize(("rate", "kind"), [(1.0, "gaussian"), (0.5, "poisson subsampled gaussian")])
def test_an_event_is_written_with_its_mechanism_and_read_again(rate: float, kind: str) -> None:
    event = GaussianEvent("x", 2.0, rate, 3)
    record = event.to_dict()
    assert record == {"mechanism": kind, "purpose": "x", "noise_multiplier": 2.0, "rate": rate, "steps": 3}
    assert GaussianEvent.from_dict(record) == event


def test_published_values() -> None:
    event = [GaussianEvent("x", 1.0, 0.0625, 16)]  # reference/privacy.md 2.5
    assert epsilon_of(event, 1e-5) == pytest.approx(2.242, abs=2e-3)
    assert epsilon_of(event, 1e-5, "rdp") == pytest.approx(2.764, abs=2e-3)


def test_different_events_compose_like_gaussians() -> None:
    both = epsilon_of([GaussianEvent("x", 3.0), GaussianEvent("y", 4.0)], 1e-5)
    assert both == pytest.approx(epsilon_of([GaussianEvent("z", 2.4)], 1e-5), rel=0.01)  # 1/9 + 1/16 = 1/2.4^2


@pytest.mark.parametrize("epsilon", [1.0, 3.0, 8.0])
def test_calibrated_noise_keeps_the_budget_and_slightly_less_noise_does_not(epsilon: float) -> None:
    sigma = noise_multiplier_for(lambda s: [GaussianEvent("x", s)], epsilon, 1e-5)
    assert gaussian_delta(sigma, epsilon) <= 1e-5 < gaussian_delta(0.995 * sigma, epsilon)


def test_calibrated_noise_of_sampled_batches_keeps_the_budget() -> None:
    sigma = noise_multiplier_for(lambda s: [GaussianEvent("x", s, 0.05, 50)], 3.0, 1e-5, tolerance=0.01)
    assert 3.0 * 0.97 < epsilon_of([GaussianEvent("x", sigma, 0.05, 50)], 1e-5) <= 3.0


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (GaussianEvent("x", 0.0), "noise_multiplier"),
        (GaussianEvent("x", math.inf), "noise_multiplier"),
        (GaussianEvent("x", math.nan), "noise_multiplier"),
        (GaussianEvent("x", 1.0, 0.0), "rate"),
        (GaussianEvent("x", 1.0, 1.1), "rate"),
        (GaussianEvent("x", 1.0, 0.5, 0), "steps"),
        (GaussianEvent("x", 1.0, 0.5, 1.5), "steps"),  # type: ignore[arg-type]
    ],
)
def test_impossible_events_are_refused(event: GaussianEvent, name: str) -> None:
    with pytest.raises(ValueError, match=f"Expected {name}"):
        epsilon_of([event], 1e-5)


@pytest.mark.parametrize(
    ("epsilon", "delta", "name"),
    [(0, 1e-5, "epsilon"), (-1, 1e-5, "epsilon"), (1, 0, "delta"), (1, 1, "delta"), (math.inf, 1e-5, "epsilon")],
)
def test_impossible_budgets_are_refused(epsilon: float, delta: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"Expected {name}"):
        noise_multiplier_for(lambda s: [GaussianEvent("x", s)], epsilon, delta)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3])
def test_the_optimal_attack_on_a_gaussian_stays_below_the_bound(epsilon: float, rate: float) -> None:
    sigma = brentq(lambda s: gaussian_delta(s, epsilon) - 1e-5, 0.2, 50)
    best = norm.cdf(1 / sigma - norm.ppf(1 - rate))  # the likelihood ratio test between two Gaussians
    assert best <= true_positive_bound(epsilon, 1e-5, rate)


EVENTS = st.builds(
    GaussianEvent,
    purpose=st.just("x"),
    noise_multiplier=st.floats(0.6, 20.0),
    rate=st.sampled_from([1.0, 0.3, 0.05]),
    steps=st.integers(1, 40),
)
ROUNDING = 1 + 1e-3  # of the discretized privacy loss


@settings(max_examples=12, deadline=None)
@given(EVENTS, st.floats(1.05, 3.0))
def test_more_noise_fewer_steps_and_a_lower_rate_never_cost_more(event: GaussianEvent, factor: float) -> None:
    epsilon = epsilon_of([event], 1e-5)
    cheaper = [
        event._replace(noise_multiplier=event.noise_multiplier * factor),
        event._replace(steps=max(1, int(event.steps / factor))),
        event._replace(rate=event.rate / factor),
    ]
    for other in cheaper:
        assert epsilon_of([other], 1e-5) <= epsilon * ROUNDING + 1e-6


@settings(max_examples=10, deadline=None)
@given(EVENTS, st.integers(2, 5))
def test_equal_events_cost_what_one_event_with_all_steps_costs(event: GaussianEvent, count: int) -> None:
    together = event._replace(steps=event.steps * count)
    assert epsilon_of([event] * count, 1e-5) == pytest.approx(epsilon_of([together], 1e-5), rel=2e-3, abs=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.lists(EVENTS, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_order_is_irrelevant_and_a_sum_costs_at_least_its_largest_event(
    events: list[GaussianEvent], random: Any
) -> None:
    total = epsilon_of(events, 1e-5)
    shuffled = random.sample(events, len(events))
    assert epsilon_of(shuffled, 1e-5) == pytest.approx(total, rel=1e-9)
    assert total * ROUNDING + 1e-6 >= max(epsilon_of([event], 1e-5) for event in events)
    assert total <= epsilon_of(events, 1e-5, "rdp") * ROUNDING  # the Renyi bound is looser


def test_the_bound_on_true_positives_is_that_of_kairouz() -> None:
    assert true_positive_bound(1.0, 1e-5, 0.001) == pytest.approx(math.e * 0.001 + 1e-5)
    assert true_positive_bound(1.0, 1e-5, 0.9) == pytest.approx(1 - math.exp(-1) * (1 - 1e-5 - 0.9))
    assert true_positive_bound(1000.0, 1e-5, 0.5) == 1.0
    assert true_positive_bound(0.0, 0.5, 0.9) == 1.0
