"""A hostile sender of a claim: every script changes a release and writes all checksums again."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from monai_distill.data.set_manifest import images_sha256
from monai_distill.export.release import Release, Verification
from monai_distill.export.release.scan import IdentifyingWords
from tests.export.release.conftest import AUDIT, LEDGER, PROMISE, build_run, read, score_by_mean
from tests.export.release.test_claim_check import forge

TIERS: dict[str, dict[str, Any]] = {
    "T0": {},
    "T1": {"initial_images": "noise", "files": {"audit.json": AUDIT}},
    "T2": {"initial_images": "noise", "privacy": PROMISE, "files": {"ledger.json": LEDGER}},
    "T2 of other images": {"initial_images": "noise", "privacy": PROMISE, "files": {"ledger.json": LEDGER}},
    "hidden settings": {
        "initial_images": "noise",
        "files": {"audit.json": {**AUDIT, "shadow_settings": {"iterations": 1}}},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A release of each kind, as small as one can be."""
    releases = {}
    for name, settings in TIERS.items():
        folder = tmp_path_factory.mktemp("made")
        run = build_run(folder / "run", "rgb" if "other" in name else "gray", **settings)
        release = Release(run, folder / "release", ["safetensors"], no_claim=True)
        releases[name] = release.write(score_by_mean, IdentifyingWords([]))
        assert Verification.of(releases[name]).problems == ()
    return releases


def swapped_tensors(folder: Path, made: dict[str, Path]) -> None:
    """Other images under the same stamp; the manifest gets their hash too."""
    file = folder / "synthetic.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "images": torch.rand_like(tensors["images"])}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    forge(folder, "manifest.json", lambda manifest: {**manifest, "sha256": digest})


def swapped_tensors_called_reduced(folder: Path, made: dict[str, Path]) -> None:
    """As before, and the manifest says that only the labels were changed."""
    swapped_tensors(folder, made)
    forge(folder, "manifest.json", lambda m: {**m, "release": {**m["release"], "labels_reduced": True}})


def copied_ledger(folder: Path, made: dict[str, Path]) -> None:
    """The claim and the ledger of another set."""
    shutil.copy(made["T2 of other images"] / "dp_ledger.json", folder)
    privacy = read(made["T2 of other images"], "manifest.json")["privacy"]
    forge(folder, "manifest.json", lambda manifest: {**manifest, "privacy": privacy, "initial_images": "noise"})


def audit_of_another_run(folder: Path, made: dict[str, Path]) -> None:
    """The claim and the audit of another set."""
    audit = {**read(made["T1"], "audit.json"), "set_sha256": "0" * 64}
    (folder / "audit.json").write_text(json.dumps(audit))
    privacy = read(made["T1"], "manifest.json")["privacy"]
    forge(folder, "manifest.json", lambda manifest: {**manifest, "privacy": privacy, "initial_images": "noise"})


def relabelled_start(folder: Path, made: dict[str, Path]) -> None:
    """Real initial images called noise."""
    forge(folder, "manifest.json", lambda manifest: {**manifest, "initial_images": "noise"})


def hidden_audit_settings(folder: Path, made: dict[str, Path]) -> None:
    """Shadows of another job called shadows of this one, and the tier that this would allow."""
    forge(folder, "audit.json", lambda audit: {**audit, "shadow_settings": False})
    privacy = read(made["T1"], "manifest.json")["privacy"]
    forge(folder, "manifest.json", lambda manifest: {**manifest, "privacy": privacy})


def statement_text(folder: Path, made: dict[str, Path]) -> None:
    """A promise in the statement."""

    def promised(manifest: Any) -> Any:
        return {**manifest, "privacy": {**manifest["privacy"], "statement": "No patient can be recognized."}}

    forge(folder, "manifest.json", promised)


@pytest.mark.parametrize(
    ("tier", "script", "says"),
    [
        ("T1", swapped_tensors, "audit.json does not support the claim: the audit is of another set"),
        ("T2", swapped_tensors, "dp_ledger.json does not support the claim: the ledger is of another set"),
        ("T1", swapped_tensors_called_reduced, "disagree on whether class numbers"),
        ("T2", swapped_tensors_called_reduced, "disagree on whether class numbers"),
        ("T0", copied_ledger, "the ledger is of another set"),
        ("T1", copied_ledger, "the ledger is of another set"),
        ("T0", audit_of_another_run, "the audit is of another set"),
        ("T0", relabelled_start, "privacy_report.json differs from what its evidence gives"),
        ("hidden settings", hidden_audit_settings, "privacy_report.json differs from what its evidence gives"),
        ("T0", statement_text, "manifest.json (tier and statement) differs"),
        ("T1", statement_text, "manifest.json (tier and statement) differs"),
        ("T2", statement_text, "manifest.json (tier and statement) differs"),
    ],
)
def test_every_script_is_found(
    tier: str, script: Callable[..., None], says: str, made: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made[tier], tmp_path / "release"))
    script(folder, made)
    result = Verification.of(folder)
    assert any(says in problem for problem in result.problems), result.problems
    assert result.claimed == ()


def test_other_images_under_class_numbers_are_found(tmp_path: Path) -> None:
    """The checksum of the set covers the learned labels that stay; the ledger names that of the images, too."""
    run = build_run(tmp_path / "run", soft=True, **TIERS["T2"])
    folder = Release(run, tmp_path / "release", ["safetensors"]).write(score_by_mean, IdentifyingWords([]))
    result = Verification.of(folder)
    assert result.problems == ()
    assert read(folder, "manifest.json")["release"]["labels_reduced"] is True
    assert any("class numbers follow from the learned labels" in line for line in result.not_checked)
    swapped_tensors(folder, {})
    assert any("checksum of the images differs" in problem for problem in Verification.of(folder).problems)
    other = images_sha256(load_file(folder / "synthetic.safetensors")["images"])
    forge(folder, "manifest.json", lambda m: {**m, "release": {**m["release"], "images_sha256": other}})
    assert any("the ledger is of another set" in problem for problem in Verification.of(folder).problems)


def test_files_without_a_checksum_of_the_images_are_refused_before_the_scoring(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", soft=True, **TIERS["T2"])
    ledger = {name: value for name, value in read(run, "ledger.json").items() if name != "images_sha256"}
    (run / "ledger.json").write_text(json.dumps(ledger))
    with pytest.raises(ValueError, match="no checksum of the images"):
        Release(run, tmp_path / "release", ["safetensors"])
