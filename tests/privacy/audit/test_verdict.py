"""The statement of an audit: precise, and never a promise."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from monai_distill.claims.audit_evidence import why_void
from monai_distill.privacy.audit.verdict import statement

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


NO_COPIES = {**UNSEEN, "copied": 0, "references": 60}


def audit(**attacks: dict[str, Any]) -> dict[str, Any]:
    attacks.setdefault("copies", attack())
    reason = why_void(attacks)
    return {
        "void": reason is not None,
        "why_void": reason,
        "shadows": 8,
        "unit": "patient",
        "candidates": {"audited": 10, "images": 20},
        "shadow_settings": {},
        "set_sha256": "5e7",
        "attacks": attacks,
        "released_set": NO_COPIES,
        "epsilon": None,
        "claim_refuted": False,
    }


NOISE = {"initial_images": "noise", "sha256": "5e7"}


def test_one_attack_that_catches_its_control_suffices_and_the_others_are_void() -> None:
    found = audit(sharp=attack(), dull=attack(positive=False))
    assert not found["void"]
    text = statement(found, NOISE)
    assert "Failed at this power: sharp, copies." in text
    assert "Void, because they missed their positive control: dull." in text


def test_void_if_all_miss_the_positive_or_one_catches_the_negative_control() -> None:
    assert audit(dull=attack(positive=False), copies=attack(positive=False))["void"]
    assert audit(sharp=attack(), ghost=attack(negative=True))["void"]


def test_other_settings_of_the_shadows_are_named() -> None:
    found = audit(sharp=attack()) | {"shadow_settings": {"iterations": 5}}
    text = statement(found, NOISE)
    assert "other settings than the run (iterations 5)" in text
    assert "stays at tier T0: the audit's shadows used other settings" in text


@pytest.mark.parametrize("start", ["noise", "real", "public", "correct"])
@pytest.mark.parametrize("tier", [None, "T0", "T2"])
@pytest.mark.parametrize("caught", [True, False])
def test_no_statement_claims_what_no_attack_can_show(start: str, tier: str | None, caught: bool) -> None:
    manifest = {**NOISE, "initial_images": start} | ({"privacy": {"tier": tier}} if tier else {})
    text = statement(audit(sharp=attack(caught)), manifest)
    assert not {"private", "anonymous", "compliant", "safe"} & set(text.lower().replace(",", " ").split())
    assert "does not show that every attack fails" in text
    assert text.startswith("Attacks on shadows of this job:")
    assert ("qualifies for tier T1" in text) == (start == "noise" and tier != "T2")
    assert ("It is refused: " in text) == (tier == "T2")  # there is no ledger


def test_a_missing_bound_is_named() -> None:
    assert "no bound on epsilon, because canaries" in statement(audit(sharp=attack()), {})


def test_the_released_set_itself_is_reported() -> None:
    assert "no image is more similar to a training image than the most similar of 60 others" in statement(
        audit(), NOISE
    )
    copied = {**SEEN, "copied": 3, "references": 60}
    text = statement(audit() | {"released_set": copied}, NOISE)
    assert "90% of the images are most similar to a training image" in text
    assert "3 are more similar to one" in text
    assert "stays at tier T0" in text
