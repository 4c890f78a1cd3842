"""The statement of an audit: precise, and never a promise."""

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


def test_one_attack_that_catches_its_control_suffices_and_the_others_are_void() -> None:
    found = audit(sharp=attack(), dull=attack(positive=False))
    assert not found["void"]
    text = statement(found, {"initial_images": "noise"})
    assert "Failed at this power: sharp." in text
    assert "Void, because they missed their positive control: dull." in text


def test_void_if_all_miss_the_positive_or_one_catches_the_negative_control() -> None:
    assert audit(dull=attack(positive=False))["void"]
    assert audit(sharp=attack(), ghost=attack(negative=True))["void"]


def test_other_settings_of_the_shadows_are_named() -> None:
    found = audit(sharp=attack()) | {"shadow_settings": {"iterations": 5}}
    text = statement(found, {"initial_images": "noise"})
    assert "other settings than the run (iterations 5)" in text
    assert "stays at tier T0: its shadows used other settings" in text
    assert qualifies(found, {"initial_images": "noise"}) is None


@pytest.mark.parametrize("start", ["noise", "real", "public", "correct"])
@pytest.mark.parametrize("tier", [None, "T0", "T2"])
@pytest.mark.parametrize("caught", [True, False])
def test_no_statement_claims_what_no_attack_can_show(start: str, tier: str | None, caught: bool) -> None:
    manifest = {"initial_images": start} | ({"privacy": {"tier": tier}} if tier else {})
    found = audit(sharp=attack(caught), copies=attack())
    found["qualifies_for"] = qualifies(found, manifest)
    text = statement(found, manifest)
    assert not {"private", "anonymous", "compliant", "safe"} & set(text.lower().replace(",", " ").split())
    assert "does not show that every attack fails" in text
    assert ("qualifies for tier T1" in text) == (start in ("noise", "public") and tier != "T2")


@pytest.mark.parametrize(
    "attacks",
    [
        {"copies": attack()},  # does not test membership
        {"attribute sex": attack(), "copies": attack()},
        {"sharp": attack(positive=False), "copies": attack()},  # missed its control
        {"sharp": attack() | {"tpr_at_fpr": {}}, "copies": attack()},  # too few scores for a rate
    ],
)
def test_attacks_without_power_give_no_tier(attacks: dict[str, Any]) -> None:
    found = audit(**attacks)
    assert not found["void"]
    assert qualifies(found, {"initial_images": "noise"}) is None
    assert "stays at tier T0: no membership attack both caught" in statement(found, {"initial_images": "noise"})


def test_a_missing_bound_is_named() -> None:
    assert "no bound on epsilon, because canaries" in statement(audit(sharp=attack()), {})


def test_an_attack_above_the_gate_keeps_a_run_at_t0() -> None:
    found = audit(sharp=attack(caught=True) | {"within_gate": False})
    assert qualifies(found, {"initial_images": "noise"}) is None
    text = statement(found, {"initial_images": "noise"})
    assert "stays at tier T0: sharp above 0.5% at 0.1% or 3% at 1% false positives" in text


def test_copies_keep_a_run_at_t0() -> None:
    assert qualifies(audit(copies=attack(caught=True)), {"initial_images": "noise"}) is None
    assert qualifies(audit(copies=attack()) | {"released_set": SEEN}, {"initial_images": "noise"}) is None
