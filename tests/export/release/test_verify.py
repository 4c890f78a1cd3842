"""Verifying a received folder: every change is seen."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from monai_distill.export.release import Verification
from monai_distill.export.release.privacy_report import NON_CLAIMS
from monai_distill.runtime.checksums import checksums
from tests.export.release.conftest import AUDIT, LEDGER, PROMISE, MakeRun, Write, read


def rewrite_sums(folder: Path) -> None:
    """Write the checksums again, as somebody who changes a folder can do."""
    (folder / "SHA256SUMS").write_text(checksums(folder))


def changed(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_an_untouched_folder_separates_what_was_checked_from_what_is_claimed(released: Path) -> None:
    result = Verification.of(str(released))
    assert result.problems == ()
    files = [path for path in released.rglob("*") if path.is_file()]
    assert f"All {len(files) - 1} files match SHA256SUMS" in result.checked[0]
    assert result.claimed[0].startswith("T0 (no claim): No claim is made.")
    assert any("Accuracy" in line and "npz" in line for line in result.claimed)
    assert not any("Accuracy" in line for line in result.checked)
    assert any("Who sent the folder: it is not signed" in line for line in result.not_checked)
    assert result.not_claimed == NON_CLAIMS
    assert result.identity == hashlib.sha256((released / "SHA256SUMS").read_bytes()).hexdigest()


def test_one_flipped_bit_in_any_file_is_seen(released: Path) -> None:
    files = [path for path in sorted(released.rglob("*")) if path.is_file() and path.name != "SHA256SUMS"]
    assert len(files) > 15
    for file in files:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        good = file.read_bytes()
        file.write_bytes(data)
        name = file.relative_to(released).as_posix()
        assert f"{name}: differs from its checksum." in Verification.of(released).problems
        file.write_bytes(good)
    assert Verification.of(released).problems == ()


def test_a_file_more_or_less_is_seen(released: Path) -> None:
    (released / "LICENSE").unlink()
    (released / "notes.txt").write_text("x")
    problems = Verification.of(released).problems
    assert "LICENSE: is listed in SHA256SUMS and missing." in problems
    assert "notes.txt: is not listed in SHA256SUMS." in problems
    assert "notes.txt: is a file that no release has" in problems


def test_without_checksums_nothing_is_checked_and_that_is_said(released: Path) -> None:
    (released / "SHA256SUMS").write_text("nothing of the kind\n")
    assert "has a line that is not a checksum" in Verification.of(released).problems[0]
    (released / "SHA256SUMS").unlink()
    assert Verification.of(released).problems == ("SHA256SUMS is missing: without it nothing can be checked.",)
    with pytest.raises(ValueError, match="Expected a release folder"):
        Verification.of(released / "absent")


def test_a_run_folder_is_said_to_be_one(tmp_path: Path) -> None:
    for name in ("config.json", "manifest.json", "synthetic.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=r"got the run folder .*monai-distill export .* --to DIR"):
        Verification.of(tmp_path)


def test_new_checksums_do_not_hide_what_was_planted(released: Path) -> None:
    changed(released / "scores.json", by="/home/jane/run")
    before = Verification.of(released).identity
    rewrite_sums(released)
    found = Verification.of(released)
    assert any("scores.json: holds an absolute path" in problem for problem in found.problems)
    assert any("croissant.json: its checksum of scores.json differs" in problem for problem in found.problems)
    assert found.identity != before  # what the recipient compares with the sender's


def test_formats_that_hold_different_images_are_seen(released: Path) -> None:
    first, second = (released / "nifti" / f"synthetic_000{n}.nii.gz" for n in (1, 2))
    first.write_bytes(second.read_bytes())
    rewrite_sums(released)
    assert any("nifti: its images differ" in problem for problem in Verification.of(released).problems)


def test_a_claim_without_its_evidence_is_seen(make_run: MakeRun, write: Write) -> None:
    run = make_run(initial_images="noise", privacy=PROMISE, files={"ledger.json": LEDGER})
    folder = write(run=run)
    changed(folder / "dp_ledger.json", epsilon=3.5)
    rewrite_sums(folder)
    assert any(
        "does not support the claim: the manifest claims epsilon 3.0, the ledger spent 3.5" in problem
        for problem in Verification.of(folder).problems
    )
    (folder / "dp_ledger.json").unlink()
    rewrite_sums(folder)
    assert any("does not support the claim" in problem for problem in Verification.of(folder).problems)


def test_a_void_audit_supports_no_claim(make_run: MakeRun, write: Write) -> None:
    folder = write(run=make_run(initial_images="noise", files={"audit.json": AUDIT}))
    changed(folder / "audit.json", void=True)
    rewrite_sums(folder)
    assert any("audit.json does not support" in problem for problem in Verification.of(folder).problems)


def test_a_raised_tier_is_seen(released: Path) -> None:
    manifest = read(released, "manifest.json")
    changed(released / "manifest.json", privacy={**manifest["privacy"], "tier": "T2", "epsilon": 1.0, "delta": 1e-5})
    rewrite_sums(released)
    problems = Verification.of(released).problems
    assert any("dp_ledger.json does not support" in problem for problem in problems)


@pytest.mark.parametrize("name", ["manifest.json", "scores.json", "synthetic.npz", "labels.csv"])
def test_a_broken_file_is_named(name: str, released: Path) -> None:
    (released / name).write_bytes(b"\xff\xfe")
    rewrite_sums(released)
    assert any(name in problem for problem in Verification.of(released).problems)
