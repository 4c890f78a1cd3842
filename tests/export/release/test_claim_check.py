"""Texts of a release follow from its evidence: a hostile sender who edits one of them fails the check."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_distill.export.release import Owner, Verification
from monai_distill.export.release.privacy_report import report_markdown
from monai_distill.runtime.checksums import checksums
from tests.export.release.conftest import AUDIT, LEDGER, PROMISE, MakeRun, Write, read

Change = Callable[[Any], Any]
PROMISE_TEXT = "Certified: no patient can be recognized."


def forge(folder: Path, name: str, change: Change) -> None:
    """Change a file, and write the checksums in croissant.json and SHA256SUMS again."""
    file = folder / name
    content = json.loads(file.read_text()) if name.endswith(".json") else file.read_text()
    changed = change(content)
    file.write_text(json.dumps(changed, indent=2) if name.endswith(".json") else changed)
    metadata = read(folder, "croissant.json")
    for entry in metadata["distribution"]:
        entry["sha256"] = hashlib.sha256((folder / entry["@id"]).read_bytes()).hexdigest()
    (folder / "croissant.json").write_text(json.dumps(metadata, indent=2))
    (folder / "SHA256SUMS").write_text(checksums(folder))


@pytest.fixture(params=["T0", "T1", "T2"])
def folder(request: pytest.FixtureRequest, make_run: MakeRun, write: Write, tmp_path: Path) -> Path:
    """A release of each tier, with notes of the owner."""
    settings: dict[str, Any] = {
        "T0": {},
        "T1": {"initial_images": "noise", "files": {"audit.json": AUDIT}},
        "T2": {"initial_images": "noise", "privacy": PROMISE, "files": {"ledger.json": LEDGER, "audit.json": AUDIT}},
    }[request.param]
    (tmp_path / "notes.md").write_text("From two clinics.\n\n## Limits and uses\n\nNone.")
    made = write(run=make_run(**settings), owner=Owner(notes=tmp_path / "notes.md", publisher="Clinic A"))
    assert read(made, "manifest.json")["privacy"]["tier"] == request.param
    assert Verification.of(made).problems == ()
    return made


def in_statement(manifest: Any) -> Any:
    manifest["privacy"]["statement"] += PROMISE_TEXT
    return manifest


def in_governance(report: Any) -> Any:
    report["governance"]["before_release"] = PROMISE_TEXT
    return report


def in_non_claims(report: Any) -> Any:
    report["not_claimed"] = []
    return report


def in_description(metadata: Any) -> Any:
    metadata["description"] += PROMISE_TEXT
    return metadata


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("manifest.json", in_statement),
        ("privacy_report.json", in_governance),
        ("privacy_report.json", in_non_claims),
        ("privacy_report.md", lambda text: text + PROMISE_TEXT),
        ("DATA_CARD.md", lambda text: text.replace("## Composition", PROMISE_TEXT + "\n\n## Composition")),
        ("DATA_CARD.md", lambda text: text.replace("**not for diagnosis**", "fit for diagnosis")),
        ("croissant.json", in_description),
    ],
)
def test_a_promise_in_any_text_is_found(folder: Path, name: str, change: Change) -> None:
    forge(folder, name, change)
    result = Verification.of(folder)
    assert any(problem.startswith(name) and "evidence" in problem for problem in result.problems), result.problems
    assert result.claimed == ()


def test_a_text_that_is_changed_everywhere_alike_is_found(folder: Path) -> None:
    forge(folder, "manifest.json", in_statement)
    statement = read(folder, "manifest.json")["privacy"]["statement"]

    def in_report(report: Any) -> Any:
        report["tier"]["statement"] = statement
        return report

    forge(folder, "privacy_report.json", in_report)
    forge(folder, "privacy_report.md", lambda _: report_markdown(read(folder, "privacy_report.json")))
    assert any(problem.startswith("manifest.json") for problem in Verification.of(folder).problems)


def test_no_free_text_of_the_sender_is_printed_as_a_claim(folder: Path) -> None:
    result = Verification.of(folder)
    lines = " ".join([*result.checked, *result.claimed, *result.not_claimed])
    assert "two clinics" not in lines
    assert "Clinic A" not in lines
    assert any("notes" in line for line in result.not_checked)


def test_the_name_of_the_source_stands_in_quotation_marks(make_run: MakeRun, write: Write) -> None:
    folder = write(run=make_run(), owner=Owner(title=f'Scans". {PROMISE_TEXT}'))
    assert f'from "Scans\'. {PROMISE_TEXT.rstrip(".")}"; license' in Verification.of(folder).claimed[-1]


def test_the_audit_keeps_the_hash_of_its_set(make_run: MakeRun, write: Write) -> None:
    run = make_run(initial_images="noise")
    sha256 = read(run, "manifest.json")["sha256"]
    (run / "audit.json").write_text(json.dumps({**AUDIT, "set_sha256": sha256}))
    folder = write(run=run)
    assert read(folder, "audit.json")["set_sha256"] == read(folder, "manifest.json")["sha256"] == sha256
    forge(folder, "audit.json", lambda audit: {**audit, "set_sha256": "0" * 64})
    assert any("the audit is of another set" in problem for problem in Verification.of(folder).problems)
