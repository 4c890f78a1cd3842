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
from monai_distill.privacy.dp import GaussianEvent, accounting, epsilon_of, noise_multiplier_for
from monai_distill.privacy.dp.accounting import ledger_epsilon, true_positive_bound

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


@pytest.mark.parametrize(("rate", "mechanism"), [(1.0, "gaussian"), (0.25, "poisson subsampled gaussian")])
def test_a_record_names_the_mechanism_and_reads_back(rate: float, mechanism: str) -> None:
    event = GaussianEvent("experts", 1.5, rate, 40)
    record = event.to_dict()
    assert record == {
        "mechanism": mechanism,
        "purpose": event.purpose,
        "noise_multiplier": event.noise_multiplier,
        "rate": event.rate,
        "steps": event.steps,
    }
    assert GaussianEvent.from_dict(record) == event
    for name in ("purpose", "noise_multiplier", "rate", "steps"):
        with pytest.raises(KeyError, match=name):
            GaussianEvent.from_dict({key: value for key, value in record.items() if key != name})
    with pytest.raises(ValueError, match="Expected rate"):
        GaussianEvent.from_dict({**record, "rate": 2})


def test_a_ledger_costs_what_its_events_cost_at_its_delta() -> None:
    events = [GaussianEvent("class sums", 4.0), GaussianEvent("experts", 1.5, 0.25, 40)]
    for delta in (1e-5, 1e-3):
        assert ledger_epsilon([event.to_dict() for event in events], delta) == epsilon_of(events, delta)


def test_another_accountant_is_refused_and_no_event_costs_nothing() -> None:
    with pytest.raises(ValueError, match="pld or rdp, got 'moments'"):
        epsilon_of([], 1e-5, "moments")
    with pytest.raises(ValueError, match="Expected delta"):
        epsilon_of([], 1.0)
    assert epsilon_of([], 1e-5) == 0


def test_twenty_thousand_compositions_match_the_closed_form() -> None:
    count = 20_000
    exact = brentq(lambda e: gaussian_delta(200.0 / math.sqrt(count), e) - 1e-5, 1e-3, 60)
    assert epsilon_of([GaussianEvent("x", 200.0, steps=count)], 1e-5) == pytest.approx(exact, rel=0.01)


def _bracketed(root: float, epsilon: float, low: float, high: float, tolerance: float) -> tuple[float, list[float]]:
    """The noise found for a cost of ``root / noise`` at a budget of 1, and the noise multipliers that were tried."""
    tried: list[float] = []

    def cost(noise: float) -> float:
        tried.append(noise)
        return root / noise

    return accounting._bisected(cost, epsilon, low, high, tolerance), tried


@pytest.mark.parametrize("root", [0.5, 0.9, 1.0, 3.3, 700.0])
@pytest.mark.parametrize("tolerance", [0.1, 1e-3])
def test_bisection_errs_on_the_side_of_more_noise_by_at_most_the_tolerance(root: float, tolerance: float) -> None:
    noise, tried = _bracketed(root, 1.0, 0.0, 1.0, tolerance)
    assert root <= noise <= root / (1 - tolerance)
    assert len(tried) <= math.log2(max(root, 1)) + math.log2(1 / tolerance) + 4  # doublings and halvings


def test_bisection_stops_above_the_least_noise_and_at_ten_thousand() -> None:
    noise, tried = _bracketed(1e-9, 1.0, 0.0, 1.0, 1e-3)
    assert accounting.MIN_NOISE <= noise < 2 * accounting.MIN_NOISE
    assert min(tried) >= accounting.MIN_NOISE
    assert 8000 <= _bracketed(8000.0, 1.0, 0.0, 1.0, 0.01)[0] <= 8081
    with pytest.raises(RuntimeError, match=r"No noise multiplier up to 10000 keeps epsilon 1\.0"):
        _bracketed(2e4, 1.0, 0.0, 1.0, 0.01)


def test_a_missing_accountant_names_the_extra_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "optional_import", lambda name: (None, False))
    with pytest.raises(ImportError, match=r"monai-distill\[privacy\]"):
        epsilon_of([GaussianEvent("x", 1.0)], 1e-5)


def test_the_accountant_s_warnings_are_silent_and_the_level_of_the_log_returns() -> None:
    logging = pytest.importorskip("absl.logging")
    before = logging.get_verbosity()
    logging.set_verbosity(logging.INFO)
    try:
        with accounting._quiet():
            assert logging.get_verbosity() == logging.ERROR
        assert logging.get_verbosity() == logging.INFO
    finally:
        logging.set_verbosity(before)
