"""A hostile sender who edits the evidence of a release and makes every text, card and checksum from it again."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_distill.export.release import Owner, Release, Verification
from monai_distill.export.release.audit_evidence import direct_findings, findings, released_audit
from monai_distill.export.release.card import data_card, notes_of
from monai_distill.export.release.claim_check import Claim
from monai_distill.export.release.croissant import croissant
from monai_distill.export.release.formats.npz import EightBit
from monai_distill.export.release.privacy_report import privacy_report, report_markdown
from monai_distill.export.release.scan import IdentifyingWords
from monai_distill.export.release.tier import ReleaseTier
from monai_distill.runtime.checksums import checksums
from tests.export.release.conftest import ATTACK, AUDIT, LEDGER, PROMISE, MakeRun, Write, build_run, read, score_by_mean
from tests.export.release.test_claim_check import forge

PROMISED = "Certified: no patient can be recognized."
SETTINGS: dict[str, dict[str, Any]] = {
    "T0": {},
    "T1": {"initial_images": "noise", "files": {"audit.json": AUDIT}},
    "T2": {"initial_images": "noise", "privacy": PROMISE, "files": {"ledger.json": LEDGER}},
}
Edit = Callable[[Any], Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A release of each tier."""
    releases = {}
    for tier, settings in SETTINGS.items():
        folder = tmp_path_factory.mktemp("made")
        release = Release(build_run(folder / "run", **settings), folder / "release", no_claim=True)
        releases[tier] = release.write(score_by_mean, IdentifyingWords([]))
    return releases


def make_texts_again(folder: Path) -> None:
    """Every text of the release from its evidence, by the functions of the program itself."""
    claim = Claim.read(folder)
    tier = ReleaseTier.of(claim.manifest, claim.audit, claim.ledger)
    manifest, owner = {**claim.manifest, "privacy": tier.config()}, Owner()
    report = privacy_report(manifest, tier, owner, audit=claim.audit, ledger=claim.ledger, searched={})
    for name, content in {"manifest": manifest, "privacy_report": report}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "privacy_report.md").write_text(report_markdown(read(folder, "privacy_report.json")))
    names = {path.name for path in folder.iterdir()}
    (folder / "DATA_CARD.md").write_text(data_card(manifest, claim.scores, tier, owner, names, None))
    (folder / "croissant.json").write_text(json.dumps(croissant(folder, manifest, tier, owner)))
    (folder / "SHA256SUMS").write_text(checksums(folder))


def entry(key: str, value: Any = PROMISED, *path: Any) -> Edit:
    """An edit that sets ``key`` below ``path``."""

    def edit(content: Any) -> Any:
        part = content
        for step in path:
            part = part[step]
        part[key] = value
        return content

    return edit


def renamed_attack(audit: Any) -> Any:
    audit["attacks"][PROMISED] = audit["attacks"].pop("nearest_neighbor")
    return audit


@pytest.mark.parametrize(
    ("tier", "file", "edit", "says"),
    [
        ("T2", "dp_ledger", entry("accountant"), "the accountant is 'Certified"),
        ("T2", "dp_ledger", entry("note"), "entries are not those of a run: note"),
        ("T2", "dp_ledger", entry("neighbors"), "its neighbors"),
        ("T2", "dp_ledger", entry("purpose", PROMISED, "events", 0), "an event that no run writes"),
        ("T2", "dp_ledger", entry("released", ["prototypes"]), "a released result has no event"),
        ("T2", "dp_ledger", entry("0.001", 0.002, "true_positive_rate_at_most"), "bounds on attacks do not follow"),
        ("T2", "dp_ledger", entry("epsilon", 0.5, "budget"), "its budget is not"),
        ("T2", "dp_ledger", entry("epsilon_by_renyi_cross_check", 0.1), "cross-check is below"),
        ("T2", "manifest", entry("method", {"epsilon": 0.1}, "settings"), "settings have the epsilon 0.1"),
        ("T2", "manifest", entry("method", {"prototypes": {"share": 0.5}}, "settings"), "whether prototypes were"),
        ("T2", "scores", entry("controls_left_out"), "scores.json differs"),
        ("T1", "audit", renamed_attack, "audit.json has a text or number"),
        ("T1", "audit", entry("note"), "audit.json has entries that no export writes"),
        ("T1", "audit", entry("unit"), "audit.json has a text or number"),
        ("T1", "audit", entry("shadows", -3), "audit.json has a text or number"),
        ("T1", "audit", entry("epsilon_lower_bound", "certified"), "audit.json has a text or number"),
        (
            "T1",
            "audit",
            entry("class certified", {}, "attacks", "nearest_neighbor", "groups"),
            "audit.json has a text or number",
        ),
        ("T0", "manifest", entry("certificate"), "entries that no export writes: certificate"),
        ("T0", "manifest", entry("note", PROMISED, "source"), "entries that no export writes: note"),
        ("T0", "manifest", entry("method"), "expected one word as method"),
        ("T0", "manifest", entry("initial_images", f"noise. {PROMISED}"), "expected one word as initial_images"),
        ("T0", "manifest", entry("warnings", [PROMISED], "release"), "warnings are not those of an export"),
        ("T0", "manifest", entry("warnings", [], "release"), "many images for its source is missing"),
        ("T0", "manifest", entry("spacing_rule", PROMISED, "release"), "no rule of a spacing"),
        ("T0", "manifest", entry("citation", f"Doe\n\n# {PROMISED}", "source"), "a line break or control character"),
        ("T0", "manifest", entry("labels", "learned logits"), "labels differ from the safetensors"),
        ("T0", "manifest", entry("formats", ["safetensors", "png"], "release"), "disagree on npz"),
        ("T0", "scores", entry("certificate"), "scores.json differs"),
        ("T0", "medmnist_info", entry("description"), "medmnist_info.json: differs"),
    ],
)
def test_an_edit_of_the_evidence_is_found(
    tier: str, file: str, edit: Edit, says: str, made: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made[tier], tmp_path / "release"))
    make_texts_again(folder)
    assert Verification.of(folder).problems == ()  # else the script itself would be what is found
    (folder / f"{file}.json").write_text(json.dumps(edit(read(folder, f"{file}.json"))))
    make_texts_again(folder)
    problems = Verification.of(folder).problems
    assert any(says in problem for problem in problems), problems


def test_a_wide_scale_does_not_hide_other_images_in_the_npz(made: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made["T0"], tmp_path / "release"))
    scale, file = EightBit(-1000.0, 1000.0), folder / "synthetic.npz"
    arrays = dict(np.load(file))
    other = torch.rand(arrays["train_images"].shape, generator=torch.Generator().manual_seed(0))
    arrays |= {"train_images": scale.to_bytes(other), "pixel_low": scale.low, "pixel_high": scale.high}
    np.savez_compressed(file, **arrays)
    forge(folder, "manifest.json", entry("eight_bit", {"low": scale.low, "high": scale.high}, "release"))
    make_texts_again(folder)
    assert any("the scale of 8 bits" in problem for problem in Verification.of(folder).problems)


def test_of_an_entry_that_stands_twice_people_would_read_the_first(made: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made["T0"], tmp_path / "release"))
    file = folder / "manifest.json"
    file.write_text(file.read_text().replace("{", '{"privacy": {"tier": "T2"},', 1))
    forge(folder, "LICENSE", lambda text: text)  # only the checksums
    assert any("privacy stands twice" in problem for problem in Verification.of(folder).problems)


@pytest.mark.parametrize("edit", [entry("date"), entry("generator"), entry("review_by", "2050-01-01", "governance")])
def test_days_and_versions_of_the_report_hold_no_text(edit: Edit, made: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made["T2"], tmp_path / "release"))
    forge(folder, "privacy_report.json", edit)
    forge(folder, "privacy_report.md", lambda _: report_markdown(read(folder, "privacy_report.json")))
    assert any(problem.startswith("privacy_report.json") for problem in Verification.of(folder).problems)


def test_headings_of_the_owner_stand_in_a_quotation(make_run: MakeRun, write: Write, tmp_path: Path) -> None:
    notes = f"From a clinic.\n\n## Privacy\n\n{PROMISED}"
    (tmp_path / "notes.md").write_text(notes)
    card = (write(owner=Owner(notes=tmp_path / "notes.md")) / "DATA_CARD.md").read_text()
    assert card.count("\n## Privacy\n") == 1
    assert f"\n> {PROMISED}\n" in card
    assert notes_of(card) == notes


@pytest.mark.parametrize("name", ["title", "publisher", "recipient"])
def test_a_text_of_the_owner_is_one_line(name: str) -> None:
    with pytest.raises(ValueError, match=f"one line of text as --{name}"):
        Owner(**{name: "Clinic A\n\n# T2"})


def test_no_column_leaves_with_the_reason_of_a_void_audit() -> None:
    caught = {**ATTACK, "negative_control": {"auc": 0.9, "seen": True}}
    audit = {**AUDIT, "void": True, "why_void": "attribute HIVstatus found members in the negative control"}
    public = released_audit({**audit, "attacks": {"attribute HIVstatus": caught}})
    assert "HIVstatus" not in json.dumps(public)
    assert "attribute 1" in public["why_void"]


def test_an_interval_below_chance_does_not_contain_chance() -> None:
    below = {**ATTACK, "tpr_at_fpr": {"0.01": {"value": 0.001, "low": 0.0, "high": 0.004}}}
    assert list(findings({**AUDIT, "attacks": {"nearest": below}})) == ["found members less often than chance"]


def test_direct_attacks_that_do_not_count_are_named() -> None:
    attack = {**ATTACK, "void": True}
    lines = direct_findings({"released_set": {"copied": 0, "attacks": {"nearest_pixels": attack}}})
    assert any("do not count: nearest_pixels" in line for line in lines)


@pytest.mark.parametrize(("tier", "file"), [("T2", "audit"), ("T0", "audit"), ("T0", "dp_ledger"), ("T1", "dp_ledger")])
def test_evidence_of_another_release_does_not_lie_in_the_folder(
    tier: str, file: str, made: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made[tier], tmp_path / "release"))
    content = read(made["T1" if file == "audit" else "T2"], f"{file}.json")
    (folder / f"{file}.json").write_text(json.dumps({**content, "set_sha256": "0" * 64}))
    make_texts_again(folder)
    assert f"{file}.json is not of this release." in Verification.of(folder).problems


def test_an_audit_of_an_earlier_set_is_not_reported(make_run: MakeRun, write: Write) -> None:
    """The figures of the report would be read as those of the released set."""
    run = make_run(initial_images="noise", files={"audit.json": {**AUDIT, "set_sha256": "0" * 64}})
    folder = write(run=run)
    assert not (folder / "audit.json").exists()
    assert "No attack was run" in (folder / "privacy_report.md").read_text()


def test_a_delta_that_guarantees_nothing_makes_no_claim() -> None:
    claim = {**PROMISE, "delta": 0.5}
    manifest = {"initial_images": "noise", "privacy": claim, "sha256": LEDGER["set_sha256"]}
    with pytest.raises(ValueError, match=r"delta 0.5 is above 0.01"):
        ReleaseTier.of(manifest, None, {**LEDGER, "delta": 0.5})


def test_notes_without_a_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("\n")
    with pytest.raises(ValueError, match="empty"):
        Owner(notes=tmp_path / "notes.md").notes_text()
