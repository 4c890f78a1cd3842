"""Tiers: what the evidence allows, and what refutes it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from monai_distill.export.release.audit_evidence import findings, released_audit
from monai_distill.export.release.tier import ReleaseTier, bounds
from tests.export.release.conftest import ATTACK, AUDIT, LEDGER, PROMISE, SHA

NOISE = {"initial_images": "noise", "sha256": SHA}
CLAIM = {**NOISE, "privacy": PROMISE}


@pytest.mark.parametrize("start", ["real", "correct", "public", "unknown"])
def test_images_that_start_from_real_ones_never_rise_above_no_claim(start: str) -> None:
    tier = ReleaseTier.of({"initial_images": start}, AUDIT, None)
    assert tier.name == "T0"
    assert start in tier.why[0]
    assert "No claim is made" in tier.statement


def test_a_manifest_that_says_nothing_of_the_start_makes_no_claim() -> None:
    assert ReleaseTier.of({}, AUDIT, None).name == "T0"


def test_noise_and_an_audit_make_t1_with_its_power() -> None:
    tier = ReleaseTier.of(NOISE, AUDIT, None)
    assert (tier.name, tier.epsilon) == ("T1", None)
    assert "16 shadow sets" in tier.statement
    assert "Attack that found no member: the interval contains chance: nearest_neighbor" in tier.statement
    assert (
        "nearest_neighbor (AUC 0.510; TPR 0.012 [0.004, 0.021] at 1.0% FPR; on the known leak AUC 0.900)"
        in tier.statement
    )
    assert "no guarantee" in tier.statement


def test_an_attack_that_showed_something_is_not_said_to_have_failed() -> None:
    attacks = {"pixels": ATTACK, "lira": {**ATTACK, "caught": True}, "gradient": {**ATTACK, "auc": None, "void": True}}
    attacks["copies"] = AUDIT["attacks"]["copies"]
    said = ReleaseTier.of(NOISE, {**AUDIT, "attacks": attacks}, None).statement
    failed, showed, _, blind = said.split("Attack that ")[1:]
    assert failed.startswith("found no member: the interval contains chance: pixels (")
    assert showed.startswith("found members more often than chance, below the limits of tier T1: lira (")
    assert blind.startswith("missed its known leak, so its result does not count: gradient (")


def test_no_member_is_said_only_where_the_interval_contains_chance() -> None:
    above = {**ATTACK, "tpr_at_fpr": {"0.01": {"value": 0.02, "low": 0.011, "high": 0.03}}}
    without_rates = {**ATTACK, "tpr_at_fpr": {}}
    attacks = {"above": above, "at": ATTACK, "none": without_rates, "copies": without_rates}
    outcomes = {attack[0].partition(" (")[0]: text for text, attack in findings({"attacks": attacks}).items()}
    assert outcomes["at"].startswith("found no member")
    assert outcomes["above"].startswith("found members more often than chance")
    assert outcomes["none"] == "measured no rate"
    assert outcomes["copies"] == "found nothing and does not test membership"


def test_the_name_of_an_attribute_stays_with_the_owner() -> None:
    attacks = {"attribute hiv_status": ATTACK, "lira": ATTACK, "attribute sex": {**ATTACK, "within_gate": False}}
    audit = {**AUDIT, "attacks": attacks}
    texts = (ReleaseTier.of(NOISE, audit, None).why, findings(audit), released_audit(audit))
    assert not any(name in str(text) for text in texts for name in ("hiv", "sex"))
    assert list(released_audit(audit)["attacks"]) == ["attribute 1", "lira", "attribute 2"]


def test_a_ledger_may_have_spent_less_than_is_promised() -> None:
    assert ReleaseTier.of(CLAIM, None, {**LEDGER, "epsilon": 2.9}).epsilon == 3.0


def test_a_guarantee_is_refused_for_images_that_start_from_real_ones() -> None:
    with pytest.raises(ValueError, match="initial images are real"):
        ReleaseTier.of({**CLAIM, "initial_images": "real"}, None, LEDGER)


def test_a_ledger_of_the_same_figures_makes_t2() -> None:
    tier = ReleaseTier.of(CLAIM, None, LEDGER)
    assert (tier.name, tier.epsilon, tier.delta, tier.unit) == ("T2", 3.0, 1e-5, "patient")
    assert "epsilon 3 and delta 1e-05. Unit: one patient. Accountant: dp-accounting 0.6.0, " in tier.statement


def test_an_image_as_the_unit_is_said_to_be_weaker() -> None:
    said, ledger = {**PROMISE, "unit": "image"}, {**LEDGER, "unit": "image"}
    assert "weaker unit than a patient" in ReleaseTier.of({**NOISE, "privacy": said}, None, ledger).statement


@pytest.mark.parametrize(
    ("said", "audit", "ledger", "says"),
    [
        (PROMISE, None, None, "no ledger with"),
        (PROMISE, None, {**LEDGER, "events": []}, "no ledger with events"),
        (PROMISE, None, {**LEDGER, "accountant": None}, "events and accountant"),
        (PROMISE, None, {**LEDGER, "epsilon": 3.1}, "claims epsilon 3.0, the ledger spent 3.1"),
        (PROMISE, None, {**LEDGER, "delta": 1e-3}, "the delta"),
        ({**PROMISE, "unit": None}, None, LEDGER, "the unit"),
        ({**PROMISE, "epsilon": -1.0}, None, {**LEDGER, "epsilon": -1.0}, "epsilon above 0"),
        (PROMISE, {**AUDIT, "claim_refuted": True}, LEDGER, "mechanism is broken"),
        (PROMISE, {**AUDIT, "epsilon_lower_bound": 3.5}, LEDGER, "at least 3.5.*nothing of this run may be released"),
    ],
)
def test_a_claim_without_support_is_refused(said: Any, audit: Any, ledger: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ReleaseTier.of({**NOISE, "privacy": said}, audit, ledger)


@pytest.mark.parametrize(("epsilon", "per_mille", "per_cent"), [(1, 0.0027, 0.027), (3, 0.020, 0.20), (5, 0.15, 0.99)])
def test_the_attackers_row_is_that_of_the_literature(epsilon: float, per_mille: float, per_cent: float) -> None:
    found = bounds(epsilon, 1e-5)
    assert found["0.001"] == pytest.approx(per_mille, rel=0.02)
    assert found["0.01"] == pytest.approx(per_cent, rel=0.02)
    assert bounds(1000.0, 1e-5) == {"0.001": 1.0, "0.01": 1.0}
