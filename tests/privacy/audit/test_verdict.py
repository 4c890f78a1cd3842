"""The words of an audit: bounded, and never a promise."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from monai_distill.privacy.audit.verdict import qualifies, statement, why_void

RATES = {"0.01": {"value": 0.01, "low": 0.005, "high": 0.02}}
SEEN = {"seen": True, "auc": 0.9, "tpr_at_fpr": RATES, "deviations": 9.0}
UNSEEN = {"seen": False, "auc": 0.5, "tpr_at_fpr": RATES, "deviations": 0.0}


def attack(caught: bool = False, positive: bool = True, negative: bool = False) -> dict[str, Any]:
    return {
        **(SEEN if caught else UNSEEN),
        "caught": caught,
        "void": not (positive or caught),
        "positive_control": SEEN if positive else UNSEEN,
        "negative_control": SEEN if negative else UNSEEN,
    }


def audit(**attacks: dict[str, Any]) -> dict[str, Any]:
    reason = why_void(attacks)
    return {
        "void": reason is not None,
        "why_void": reason,
        "shadows": 8,
        "unit": "patient",
        "candidates": {"audited": 10, "images": 20},
        "shadow_settings": {},
        "attacks": attacks,
        "released_set": UNSEEN,
        "epsilon": None,
        "qualifies_for": None,
        "claim_refuted": False,
    }


def test_one_attack_that_sees_the_control_is_enough_and_the_blind_have_no_say() -> None:
    found = audit(sharp=attack(), dull=attack(positive=False))
    assert not found["void"]
    words = statement(found, {"initial_images": "noise"})
    assert "Failed at this power: sharp." in words
    assert "Without a say, because they missed their positive control: dull." in words


def test_void_when_all_are_blind_or_one_sees_ghosts() -> None:
    assert audit(dull=attack(positive=False))["void"]
    assert audit(sharp=attack(), ghost=attack(negative=True))["void"]


def test_other_settings_of_the_shadows_are_named() -> None:
    found = audit(sharp=attack()) | {"shadow_settings": {"iterations": 5}}
    words = statement(found, {"initial_images": "noise"})
    assert "other settings than the run (iterations 5)" in words
    assert "stays at tier T0: its shadows ran with other settings" in words
    assert qualifies(found, {"initial_images": "noise"}) is None  # one iteration shows nothing that could be seen


@pytest.mark.parametrize("start", ["noise", "real", "public", "correct"])
@pytest.mark.parametrize("tier", [None, "T0", "T2"])
@pytest.mark.parametrize("caught", [True, False])
def test_no_statement_claims_what_no_attack_can_show(start: str, tier: str | None, caught: bool) -> None:
    manifest = {"initial_images": start} | ({"privacy": {"tier": tier}} if tier else {})
    found = audit(sharp=attack(caught), copies=attack())
    found["qualifies_for"] = qualifies(found, manifest)
    words = statement(found, manifest)
    assert not {"private", "anonymous", "compliant", "safe"} & set(words.lower().replace(",", " ").split())
    assert "does not show that every attack fails" in words
    assert ("qualifies for tier T1" in words) == (start in ("noise", "public") and tier != "T2")


@pytest.mark.parametrize(
    "attacks",
    [
        {"copies": attack()},  # says nothing of membership
        {"attribute sex": attack(), "copies": attack()},
        {"sharp": attack(positive=False), "copies": attack()},  # missed its control
        {"sharp": attack() | {"tpr_at_fpr": {}}, "copies": attack()},  # too few scores for a rate
    ],
)
def test_attacks_that_could_have_seen_nothing_give_no_tier(attacks: dict[str, Any]) -> None:
    found = audit(**attacks)
    assert not found["void"]
    assert qualifies(found, {"initial_images": "noise"}) is None
    assert "stays at tier T0: no attack on membership both caught" in statement(found, {"initial_images": "noise"})


def test_a_bound_that_could_not_be_made_is_named() -> None:
    assert "No bound on epsilon, for want of canaries" in statement(audit(sharp=attack()), {})


def test_an_attack_above_the_gate_keeps_a_run_at_t0() -> None:
    found = audit(sharp=attack(caught=True) | {"within_gate": False})
    assert qualifies(found, {"initial_images": "noise"}) is None
    words = statement(found, {"initial_images": "noise"})
    assert "stays at tier T0: sharp surely above 0.5% at 0.1% or 3% at 1% false alarms" in words


def test_copies_keep_a_run_at_t0() -> None:
    assert qualifies(audit(copies=attack(caught=True)), {"initial_images": "noise"}) is None
    assert qualifies(audit(copies=attack()) | {"released_set": SEEN}, {"initial_images": "noise"}) is None
