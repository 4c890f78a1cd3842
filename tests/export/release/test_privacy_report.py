"""The privacy report: every heading, both forms, and no figure that was not measured."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monai_distill.export.release.privacy_report import guarantee, start
from monai_distill.export.release.tier import ReleaseTier
from tests.export.release.conftest import AUDIT, LEDGER, PROMISE, MakeRun, Write, read

ISO_27559 = ("Context assessment", "Data assessment", "Identifiability assessment", "Mitigation", "Governance")


def test_it_has_the_headings_of_the_standard_and_decides_nothing(released: Path) -> None:
    text = (released / "privacy_report.md").read_text()
    for heading in (*ISO_27559, "HIPAA: evidence, not a determination", "Limits of every release"):
        assert f"\n## {heading}\n" in text
    assert "P biometric identifiers: not assessed" in text
    assert "Adversarial testing: No attack was run." in text
    assert text.startswith("# Privacy report: T0\n")


def test_the_two_forms_say_the_same(released: Path) -> None:
    report, text = read(released, "privacy_report.json"), (released / "privacy_report.md").read_text()
    assert report["schema_version"] == 2
    for value in (report["tier"]["statement"], *report["not_claimed"], *report["against_a_higher_tier"]):
        assert value in text
    assert all(f"{key}: {value}" in text for key, value in report["hipaa_evidence_not_a_determination"].items())


@pytest.mark.parametrize("tier", ["T0", "T1", "T2"])
def test_a_text_states_the_claim_once(tier: str, make_run: MakeRun, write: Write) -> None:
    evidence: dict[str, dict[str, Any]] = {
        "T0": {},
        "T1": {"initial_images": "noise", "files": {"audit.json": AUDIT}},
        "T2": {"initial_images": "noise", "files": {"ledger.json": LEDGER}, "privacy": PROMISE},
    }
    folder = write(run=make_run(**evidence[tier]), no_claim=tier == "T0")
    claim = read(folder, "manifest.json")["privacy"]
    assert claim["tier"] == tier
    for name in ("DATA_CARD.md", "privacy_report.md"):
        assert (folder / name).read_text().count(claim["statement"]) == 1


@pytest.mark.parametrize(("epsilon", "weak"), [(1.0, False), (8.0, True)])
def test_a_bound_that_excludes_little_is_called_so(epsilon: float, weak: bool) -> None:
    tier = ReleaseTier("T2", "as the ledger says", (), "image", epsilon, 1e-5)
    gaps = guarantee(tier, {"events": [], "accountant": "PLD"})["known_gaps"]
    assert any("excludes few" in gap for gap in gaps) == weak


def test_an_audit_is_reported_with_its_power_and_its_gaps(make_run: MakeRun, write: Write) -> None:
    folder = write(run=make_run(initial_images="noise", files={"audit.json": AUDIT}), no_claim=False)
    found = read(folder, "privacy_report.json")["identifiability_assessment"]
    assert found["adversarial_testing"]["shadow_sets"] == 16
    assert (
        "nearest_neighbor (AUC 0.510"
        in found["adversarial_testing"]["found no member: the interval contains chance"][0]
    )
    mapped = found["singling_out_linkability_inference"]
    assert mapped["singling_out"] == "tested by nearest_neighbor"
    assert (mapped["linkability"], mapped["inference"]) == ("tested by copies", "not tested")
    assert found["guarantee"] == "none"


def test_a_guarantee_is_reported_with_the_limit_for_an_attacker(make_run: MakeRun, write: Write) -> None:
    files = {"audit.json": AUDIT, "ledger.json": LEDGER}
    folder = write(run=make_run(initial_images="noise", privacy=PROMISE, files=files), no_claim=False)
    report = read(folder, "privacy_report.json")
    guarantee = report["identifiability_assessment"]["guarantee"]
    assert (guarantee["epsilon"], guarantee["unit"], guarantee["events"]) == (3.0, "patient", 1)
    assert any("Floating-point" in gap for gap in guarantee["known_gaps"])
    assert any("two names counts as two" in gap for gap in guarantee["known_gaps"])
    card = (folder / "DATA_CARD.md").read_text()
    assert "Other rows" not in card  # they stay with the owner
    assert "listed assumptions" not in card  # a card lists none
    assert "lists as known gaps" in card
    # figures of attacks on real images would be a release of their own
    assert "0.51" not in (folder / "privacy_report.json").read_text()
    assert "stay with the owner" in report["identifiability_assessment"]["adversarial_testing"]


def test_counts_are_rounded_and_the_scan_says_how_much_it_looked_for(write: Write) -> None:
    report = read(write(words=("Jane Doe", "17")), "privacy_report.json")
    assert report["data_assessment"]["training_images_rounded"] == 360
    scan = report["identifiability_assessment"]["scan"]
    assert (scan["words"], scan["weak"], scan["result"]) == (2, 1, "nothing found")


@pytest.mark.parametrize(("share", "says"), [(0.5, "moved to prototypes of the classes"), (0, None)])
def test_a_start_at_prototypes_is_not_called_plain_noise(share: float, says: str | None) -> None:
    """The prototypes of a released set look like its source; a reader who sees "noise" would not trust the page."""
    manifest = {"initial_images": "noise", "settings": {"method": {"prototypes": {"share": share}}}}
    assert start(manifest) == "noise" if says is None else says in start(manifest)
