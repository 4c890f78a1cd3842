"""The stamp of the report states the tier, its figures, and why a claim is refused."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monai_distill.export.report.audit_section import privacy_section
from monai_distill.export.report.privacy_stamp import PrivacyStamp
from monai_distill.export.report.records import RunRecords
from tests.export.report.conftest import manifest

Records = Callable[..., RunRecords]
T1 = {"tier": "T1", "unit": None, "epsilon": None, "delta": None, "statement": "Nothing was found."}
T2 = {"tier": "T2", "unit": "patient", "epsilon": 8.0, "delta": 1e-5, "statement": "As accounted."}
LEDGER = {"events": [{}, {}], "epsilon": 7.9, "delta": 1e-5, "unit": "patient", "accountant": "dp-accounting 0.5"}
LEDGER["set_sha256"] = "of this set"
RATE = {"value": 0.02, "low": 0.0, "high": 0.05}
CONTROLS = {"positive_control": {"auc": 0.99, "seen": True}, "negative_control": {"auc": None, "seen": False}}
ATTACK = {"auc": 0.52, "tpr_at_fpr": {"0.01": RATE}, **CONTROLS}
AUDIT = {
    "void": False,
    "set_sha256": "of this set",
    "shadow_settings": {},
    "released_set": {"seen": False, "copied": 0, "references": 60},
    "shadows": 16,
    "attacks": {
        "nearest_neighbor": {**ATTACK, "caught": False, "void": False},
        "lira": {**ATTACK, "void": True},
        "copies": ATTACK,
    },
    "epsilon_lower_bound": 0.1,
    "statement": "Seen.",
}


def stamp(records: Records, claim: Any, start: str = "noise", **files: Any) -> PrivacyStamp:
    found = records(manifest=manifest(privacy=claim, initial_images=start))
    sha = found.manifest["sha256"]
    bound = {
        name: {**file, "set_sha256": sha} if file["set_sha256"] == "of this set" else file
        for name, file in files.items()
    }
    return PrivacyStamp.of(found._replace(**bound))


def test_without_a_claim_there_is_none(records: Records) -> None:
    assert stamp(records, None)[:2] == ("T0", "no privacy claim")
    assert stamp(records, None, ledger=LEDGER, audit=AUDIT).refused == ""
    assert stamp(records, {"tier": "T0", "statement": "x"}).paragraphs[-1] == "x"


def test_a_guarantee_is_stamped_with_its_figures(records: Records) -> None:
    found = stamp(records, T2, ledger=LEDGER)
    assert (found.tier, found.refused) == ("T2", "")
    assert found.label.endswith("epsilon 8, delta 1e-05, unit patient, accountant dp-accounting 0.5")
    assert found.paragraphs[-1] == "As accounted."


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"ledger": {**LEDGER, "epsilon": 8.1}},
        {"ledger": {**LEDGER, "delta": 1e-6}},
        {"ledger": {**LEDGER, "unit": "image"}},
        {"ledger": {**LEDGER, "accountant": None}},
        {"ledger": {**LEDGER, "epsilon": None}},
        {"ledger": LEDGER, "audit": {**AUDIT, "epsilon_lower_bound": 9.0}},
        {"ledger": LEDGER, "audit": {**AUDIT, "claim_refuted": True}},
        {"ledger": LEDGER, "start": "real"},
    ],
)
def test_a_guarantee_without_support_is_refused(records: Records, files: dict[str, Any]) -> None:
    found = stamp(records, T2, **files)
    assert found.tier == "T0"
    assert "claims tier T2" in found.refused
    assert "As accounted." not in found.paragraphs


def test_an_audit_is_stamped_when_it_is_of_this_set_and_not_void(records: Records) -> None:
    assert stamp(records, T1).refused  # no audit yet
    assert stamp(records, T1, audit=AUDIT).tier == "T1"
    assert stamp(records, None, audit=AUDIT).tier == "T1"
    assert stamp(records, T1, audit={**AUDIT, "void": True}).tier == "T0"


def test_an_audit_of_another_set_or_of_real_images_earns_nothing(records: Records) -> None:
    assert stamp(records, T1, audit={**AUDIT, "set_sha256": "another"}).tier == "T0"
    assert stamp(records, T1, start="real", audit=AUDIT).tier == "T0"
    assert stamp(records, {"tier": "T9"}).tier == "T0"


def test_the_section_shows_every_attack_with_interval_controls_and_outcome(records: Records) -> None:
    found = records(manifest=manifest(privacy=T2), audit=AUDIT, ledger=LEDGER)
    section = privacy_section(found, PrivacyStamp.of(found))
    attacks, ledger = section.tables
    figures = ["nearest neighbor", "0.520", "0.020\n0.000 to 0.050", "0.990", "-"]
    assert attacks["rows"][0] == [*figures, "not above chance"]
    assert attacks["rows"][1][-1] == "does not count: missed the known leak"
    assert ["noisy releases", "2"] in ledger["rows"]
    assert "16 shadow runs: valid" in " ".join(section.paragraphs)
    assert "Seen." in section.paragraphs
