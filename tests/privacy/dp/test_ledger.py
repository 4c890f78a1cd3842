"""Epsilon against closed forms, published values and Opacus; the ledger's budget."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

pytest.importorskip("dp_accounting", reason="pip install 'monai-distill[privacy]'")
from monai_distill.privacy.dp import (
    GaussianEvent,
    PrivacyLedger,
    epsilon_of,
    noise_multiplier_for,
    true_positive_bound,
)

SAMPLED = [(1.0, 0.0625, 16), (1.1, 0.01, 500), (2.0, 0.1, 200), (0.8, 0.004, 1000)]


def gaussian_delta(sigma: float, epsilon: float) -> float:
    """Balle and Wang, ICML 2018, theorem 8: exact for one Gaussian of sensitivity 1."""
    a, b = 1 / (2 * sigma), epsilon * sigma
    return float(norm.cdf(a - b) - math.exp(epsilon) * norm.cdf(-a - b))


@pytest.mark.parametrize(("sigma", "count"), [(0.7, 1), (3.73, 1), (5.0, 9), (20.0, 100)])
def test_full_batches_cost_what_the_closed_form_says(sigma: float, count: int) -> None:
    exact = brentq(lambda e: gaussian_delta(sigma / math.sqrt(count), e) - 1e-5, 1e-3, 60)
    assert epsilon_of([GaussianEvent("x", sigma, steps=count)], 1e-5) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(("sigma", "rate", "count"), SAMPLED)
def test_sampled_batches_cost_what_opacus_says(sigma: float, rate: float, count: int) -> None:
    accountants = pytest.importorskip("opacus.accountants", reason="Opacus is not installed")
    event = [GaussianEvent("x", sigma, rate, count)]
    for ours, theirs in (("pld", accountants.PRVAccountant()), ("rdp", accountants.RDPAccountant())):
        theirs.history = [(sigma, rate, count)]
        assert epsilon_of(event, 1e-5, ours) == pytest.approx(theirs.get_epsilon(1e-5), rel=0.01)


def test_a_frozen_value() -> None:
    event = [GaussianEvent("x", 1.0, 0.0625, 16)]  # reference/privacy.md 2.5
    assert epsilon_of(event, 1e-5) == pytest.approx(2.242, abs=2e-3)
    assert epsilon_of(event, 1e-5, "rdp") == pytest.approx(2.764, abs=2e-3)


def test_different_events_add_up_as_gaussians_do() -> None:
    both = epsilon_of([GaussianEvent("x", 3.0), GaussianEvent("y", 4.0)], 1e-5)
    assert both == pytest.approx(epsilon_of([GaussianEvent("z", 2.4)], 1e-5), rel=0.01)  # 1/9 + 1/16 = 1/2.4^2


@pytest.mark.parametrize("epsilon", [1.0, 3.0, 8.0])
def test_the_noise_keeps_the_budget_and_hardly_less_would_not(epsilon: float) -> None:
    sigma = noise_multiplier_for(lambda s: [GaussianEvent("x", s)], epsilon, 1e-5)
    assert gaussian_delta(sigma, epsilon) <= 1e-5 < gaussian_delta(0.995 * sigma, epsilon)


def test_the_noise_of_sampled_batches_keeps_the_budget() -> None:
    sigma = noise_multiplier_for(lambda s: [GaussianEvent("x", s, 0.05, 50)], 3.0, 1e-5, tolerance=0.01)
    assert 3.0 * 0.97 < epsilon_of([GaussianEvent("x", sigma, 0.05, 50)], 1e-5) <= 3.0


@pytest.mark.parametrize("event", [GaussianEvent("x", 0.0), GaussianEvent("x", 1.0, 0.0), GaussianEvent("x", 1.0, 1.1)])
def test_impossible_events_are_refused(event: GaussianEvent) -> None:
    with pytest.raises(ValueError, match="no guarantee"):
        epsilon_of([event], 1e-5)


@pytest.mark.parametrize(("epsilon", "delta"), [(0, 1e-5), (-1, 1e-5), (1, 0), (1, 1), (math.inf, 1e-5)])
def test_impossible_budgets_are_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(ValueError, match="Expected"):
        noise_multiplier_for(lambda s: [GaussianEvent("x", s)], epsilon, delta)


def test_the_ledger_writes_what_was_done(tmp_path: Path) -> None:
    ledger = PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image")
    ledger.enter(GaussianEvent("class sums", 3.8))
    written = json.loads((tmp_path / "ledger.json").read_text())
    assert written["events"] == [
        {"mechanism": "gaussian", "purpose": "class sums", "noise_multiplier": 3.8, "rate": 1.0, "steps": 1}
    ]
    assert written["unit"] == "image"
    assert 0.97 < written["epsilon"] <= 1.0 < written["epsilon_by_renyi_cross_check"]
    assert ledger.statement()["tier"] == "T2"
    assert "seed" not in json.dumps(written)
    assert written["true_positive_rate_at_most"] == pytest.approx({"0.001": 0.00273, "0.01": 0.0272}, rel=0.01)


def test_the_ledger_refuses_to_go_beyond_its_budget_or_to_tell_twice() -> None:
    ledger = PrivacyLedger(None, epsilon=1.0, delta=1e-5, unit="patient")
    with pytest.raises(RuntimeError, match="nothing to state"):
        ledger.statement()
    ledger.enter(GaussianEvent("class sums", 4.0))
    ledger.enter(GaussianEvent("class sums", 4.0))  # a resumed run finds its release again
    assert len(ledger.events) == 1
    with pytest.raises(RuntimeError, match="cannot be told twice"):
        ledger.enter(GaussianEvent("class sums", 9.0))
    with pytest.raises(RuntimeError, match="beyond the budget"):
        ledger.enter(GaussianEvent("something more", 4.0))
    assert list(ledger.events) == ["class sums"]


def test_what_the_file_says_is_not_forgotten_by_the_next_start(tmp_path: Path) -> None:
    def ledger() -> PrivacyLedger:
        return PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image")

    first, second = GaussianEvent("prototypes", 6.0), GaussianEvent("class sums", 6.0)
    for event in (first, second):
        ledger().enter(event)
    ledger().enter(first)  # a resumed run comes to its first event again, and is stopped there
    written = json.loads((tmp_path / "ledger.json").read_text())
    assert [event["purpose"] for event in written["events"]] == ["prototypes", "class sums"]
    ledger().check([first, second])
    with pytest.raises(RuntimeError, match="beyond the budget"):
        ledger().enter(GaussianEvent("one more", 4.0))
    with pytest.raises(RuntimeError, match=r"with other numbers.*another output_dir"):
        ledger().check([GaussianEvent("class sums", 9.0)])
    (tmp_path / "ledger.json").write_text('{"events": [{}]}')
    with pytest.raises(RuntimeError, match="Cannot read the ledger"):
        ledger()


def test_an_outcome_that_was_kept_is_not_told_again(tmp_path: Path) -> None:
    def ledger() -> PrivacyLedger:
        return PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image")

    event = GaussianEvent("class sums", 4.0)
    ledger().enter(event)
    ledger().require_not_released(event)  # entered and interrupted: nobody has seen it
    ledger().mark_released(event)
    with pytest.raises(RuntimeError, match="cost its budget a second time"):
        ledger().require_not_released(event)


def test_the_statement_names_what_is_taken_as_known() -> None:
    ledger = PrivacyLedger(None, epsilon=1.0, delta=1e-5, unit="patient")
    ledger.enter(GaussianEvent("class sums", 5.0))
    words = ledger.statement()["statement"]
    for known in ("class names", "image size", "every setting", "a drawn split depends on all", "other releases"):
        assert known in words


@pytest.mark.parametrize(("epsilon", "says"), [(8.0, False), (20.0, True)])
def test_a_large_epsilon_is_named_as_such(epsilon: float, says: bool) -> None:
    ledger = PrivacyLedger(None, epsilon=epsilon, delta=1e-5, unit="patient")
    ledger.enter(GaussianEvent("class sums", 5.0))
    assert ("says nothing of membership" in ledger.statement()["statement"]) is says


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3])
def test_no_attack_on_a_gaussian_beats_the_bound(epsilon: float, rate: float) -> None:
    sigma = brentq(lambda s: gaussian_delta(s, epsilon) - 1e-5, 0.2, 50)
    best = norm.cdf(1 / sigma - norm.ppf(1 - rate))  # the likelihood ratio test between two Gaussians
    assert best <= true_positive_bound(epsilon, 1e-5, rate)
