"""One table of files and tiers, and the same table for every caller: report, release, audit."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.claims import Tier, tier_of
from monai_distill.data import SyntheticDataset
from monai_distill.export.release.tier import ReleaseTier
from monai_distill.export.report.privacy_stamp import PrivacyStamp
from monai_distill.export.report.records import RunRecords
from monai_distill.privacy.audit.verdict import statement
from monai_distill.transforms import CanvasDecode, Standardize

Files = dict[str, Any]
SHA = "5e7" * 8
RATES = {"0.01": {"value": 0.01, "low": 0.005, "high": 0.02}}
UNSEEN = {"seen": False, "auc": 0.5, "tpr_at_fpr": RATES, "deviations": 0.0}
SEEN = {"seen": True, "auc": 0.9, "tpr_at_fpr": RATES, "deviations": 9.0}
ATTACK = {
    **UNSEEN,
    "caught": False,
    "void": False,
    "within_gate": True,
    "positive_control": SEEN,
    "negative_control": UNSEEN,
}
AUDIT = {
    "void": False,
    "why_void": None,
    "shadows": 16,
    "unit": "image",
    "candidates": {"audited": 10, "images": 20},
    "set_sha256": SHA,
    "shadow_settings": {},
    "attacks": {"pixels": ATTACK, "copies": {**ATTACK}},
    "released_set": {**UNSEEN, "copied": 0, "references": 60},
    "epsilon": None,
    "epsilon_lower_bound": None,
    "claim_refuted": False,
}
LEDGER = {
    "events": [{"mechanism": "gaussian", "purpose": "sums", "noise_multiplier": 1.0, "rate": 1.0, "steps": 1}],
    "epsilon": 2.9,
    "delta": 1e-5,
    "unit": "image",
    "accountant": "PLD",
    "set_sha256": SHA,
}
PRIVACY = {"tier": "T2", "epsilon": 3.0, "delta": 1e-5, "unit": "image", "statement": "as the ledger says"}
PLAIN = {"initial_images": "noise", "sha256": SHA}
DP = {**PLAIN, "privacy": PRIVACY}
T1: Files = {"manifest": PLAIN, "audit": AUDIT, "ledger": None}
T2: Files = {"manifest": DP, "audit": None, "ledger": LEDGER}


def changed(files: Files, path: str, value: Any) -> Files:
    """A copy of the files in which one field is another, or missing if the value is ``...``."""
    files = copy.deepcopy(files)
    *parents, name = path.split(".")
    inner: Any = files
    for parent in parents:
        inner = inner[parent]
    if value is ...:
        del inner[name]
    else:
        inner[name] = value
    return files


CASES: dict[str, tuple[Files, str, str]] = {
    "audited": (T1, "T1", ""),
    "audited, with a ledger": (T1 | {"ledger": LEDGER}, "T1", ""),
    "guaranteed": (T2, "T2", ""),
    "guaranteed and audited": (T2 | {"audit": AUDIT}, "T2", ""),
    "guaranteed, found members": (
        changed(T2 | {"audit": AUDIT}, "audit.attacks.pixels", {**ATTACK, "within_gate": False}),
        "T2",
        "",
    ),
    "no files": ({"manifest": {}, "audit": None, "ledger": None}, "T0", "initial images are unknown"),
    "no audit": (T1 | {"audit": None}, "T0", "no audit of this set"),
    "unknown tier": (changed(T2, "manifest.privacy.tier", "T3"), "T0", "'T3' is unknown"),
}
for start in ("real", "correct", "mixed", "public", ...):
    CASES[f"T1 start {start}"] = (changed(T1, "manifest.initial_images", start), "T0", "initial images")
    CASES[f"T2 start {start}"] = (changed(T2, "manifest.initial_images", start), "T0", "initial images")
for path, value, reason in [
    ("audit.set_sha256", "other", "another set"),
    ("audit.set_sha256", ..., "another set"),
    ("manifest.sha256", "other", "another set"),
    ("audit.void", True, "void"),
    ("audit.shadow_settings", {"iterations": 1}, "other settings"),
    ("audit.shadow_settings", ..., "incomplete"),
    ("audit.attacks", {}, "void"),
    ("audit.attacks.pixels.positive_control", UNSEEN, "no membership attack"),
    ("audit.attacks.pixels.tpr_at_fpr", {}, "no membership attack"),
    ("audit.attacks.pixels.negative_control", SEEN, "negative control"),
    ("audit.attacks.pixels.within_gate", False, "pixels succeeded"),
    ("audit.attacks.pixels.tpr_at_fpr", {"0.01": {"value": 0.1, "low": 0.04, "high": 0.2}}, "pixels succeeded"),
    ("audit.attacks.pixels.groups", {"x": {"tpr_at_fpr": {"0.001": {"low": 0.006}}}}, "pixels succeeded"),
    ("audit.attacks.copies", ..., "no copy check"),
    ("audit.attacks.copies.caught", True, "more similar"),
    ("audit.released_set.seen", True, "more similar"),
    ("audit.released_set.copied", 1, "1 of the released images"),
    ("audit.released_set", ..., "incomplete"),
]:
    CASES[f"T1 {path} {value}"] = (changed(T1, path, value), "T0", reason)
for path, value, reason in [
    ("ledger", None, "no ledger"),
    ("ledger.events", [], "no ledger with events"),
    ("ledger.accountant", ..., "no ledger with events"),
    ("ledger.set_sha256", "other", "another set"),
    ("ledger.set_sha256", ..., "another set"),
    ("manifest.sha256", "other", "another set"),
    ("ledger.unit", "patient", "unit"),
    ("manifest.privacy.unit", "hospital", "unit"),
    ("ledger.delta", 1e-6, "delta"),
    ("manifest.privacy.delta", 0, "delta"),
    ("ledger.epsilon", 3.1, "epsilon"),
    ("ledger.epsilon", math.nan, "epsilon"),
    ("ledger.epsilon", ..., "incomplete"),
    ("manifest.privacy.epsilon", math.inf, "epsilon"),
    ("manifest.privacy.epsilon", "3", "epsilon"),
    ("manifest.privacy.epsilon", ..., "incomplete"),
    ("audit", {**AUDIT, "claim_refuted": True}, "broken"),
    ("audit", {**AUDIT, "epsilon_lower_bound": 3.5}, "at least 3.5"),
]:
    CASES[f"T2 {path} {value}"] = (changed(T2, path, value), "T0", reason)


def report(files: Files) -> str:
    data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"], manifest=files["manifest"])
    return PrivacyStamp.of(RunRecords(data, {}, {}, files["audit"] or {}, files["ledger"] or {})).tier


def release(files: Files) -> str:
    try:
        return ReleaseTier.of(files["manifest"], files["audit"], files["ledger"]).name
    except ValueError:  # a claim that is refused
        return "T0"


def audit(files: Files) -> str:
    text = statement({**AUDIT, **(files["audit"] or {})}, files["manifest"], files["ledger"])
    if "qualifies for tier T1" in text:
        return "T1"
    return "T2" if "claims tier T2" in text and "It is refused" not in text else "T0"


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_its_tier_and_reason(name: str) -> None:
    files, expected, reason = CASES[name]
    tier = tier_of(files["manifest"], files["audit"], files["ledger"])
    assert tier.name == expected, tier.reasons
    assert reason in "; ".join(tier.reasons)
    claimed = (files["manifest"].get("privacy") or {}).get("tier", "T0")
    assert tier.refused == (claimed not in ("T0", expected))


@pytest.mark.parametrize("caller", [report, release])
@pytest.mark.parametrize("name", CASES)
def test_report_and_release_decide_alike(caller: Callable[[Files], str], name: str) -> None:
    """Before, the report stamped T2 where export refused: a start "mixed" or missing, a ledger without events."""
    files, expected, _ = CASES[name]
    assert caller(files) == expected


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][0]["audit"]])
def test_the_audit_decides_alike(name: str) -> None:
    files, expected, _ = CASES[name]
    if files["audit"].keys() == AUDIT.keys() and not files["audit"]["void"]:
        assert audit(files) == expected


def test_class_numbers_in_place_of_labels_leave_the_claim_on_the_same_images() -> None:
    release = {"labels_reduced": True, "images_sha256": "images"}
    manifest = {**DP, "sha256": "class numbers", "release": release}
    ledger = {**LEDGER, "images_sha256": "images"}
    assert tier_of(manifest, None, ledger).name == "T2"
    assert tier_of({**manifest, "release": {**release, "images_sha256": "others"}}, None, ledger).name == "T0"
    assert tier_of(manifest, None, LEDGER).name == "T0"  # the ledger names no images


def test_changed_tensors_lose_the_stamp(tmp_path: Path) -> None:
    """On the code before, real images saved into the folder of a T2 set were exported with epsilon 8."""
    data = SyntheticDataset(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
    data.save(tmp_path, {"initial_images": "noise", "privacy": PRIVACY})
    ledger = {**LEDGER, "set_sha256": data.manifest["sha256"]}
    assert tier_of(data.manifest, None, ledger).name == "T2"
    loaded = SyntheticDataset.load(tmp_path)
    loaded.save(tmp_path)  # unchanged
    assert tier_of(loaded.manifest, None, ledger).name == "T2"
    with torch.no_grad():
        loaded.images.copy_(torch.rand(2, 1, 4, 4))  # real images, say
    loaded.save(tmp_path)
    assert "privacy" not in loaded.manifest
    assert loaded.manifest["initial_images"] == "unknown"
    again = SyntheticDataset.load(tmp_path)
    assert tier_of(again.manifest, None, ledger) == Tier("T0", tier_of(again.manifest, None, ledger).reasons)
    assert tier_of({**again.manifest, "privacy": PRIVACY}, None, ledger).refused


@pytest.mark.parametrize("name", ["decode", "preprocessing", "class_names"])
def test_what_turns_the_tensors_into_images_is_part_of_the_stamped_set(name: str, tmp_path: Path) -> None:
    """The checksum covers tensors alone: the same numbers are other images after another decode or preprocessing."""
    data = SyntheticDataset(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
    data.save(tmp_path, {"initial_images": "noise", "privacy": PRIVACY})
    loaded = SyntheticDataset.load(tmp_path)
    if name == "decode":  # with a decode the number of images changes as well
        loaded = SyntheticDataset(
            loaded.images, loaded.labels, ["a", "b"], manifest=loaded.manifest, decode=CanvasDecode(factor=2)
        )
    else:
        setattr(loaded, name, {"preprocessing": Standardize([0.1], [0.2]), "class_names": ["b", "a"]}[name])
    loaded.save(tmp_path)
    assert "privacy" not in loaded.manifest
    assert loaded.manifest["initial_images"] == "unknown"
