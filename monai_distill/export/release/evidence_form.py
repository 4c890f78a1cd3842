"""The form of a release's JSON files: entries that an export writes, and figures that follow from others."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_distill.claims.ledger_form import ledger_form_problems
from monai_distill.claims.tier import is_of_this_set
from monai_distill.data.set_manifest import images_sha256
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.export.release.formats.npz import INFO_FILE, NPZ_FILE, EightBit, medmnist_info

from .audit_evidence import released_audit
from .manifest import (
    KEYS,
    LEARNED_LABELS,
    RELEASE_KEYS,
    SET_KEYS,
    SOURCE_KEYS,
    is_size_warning,
    lacks_size_warning,
    released_scores,
)
from .tier import bounds

__all__ = ["form_problems", "info_problems", "manifest_problems"]

NAME = re.compile(r"[\w.+-]{1,80}")  # of a method, a data set or a start: one word says nothing
ATTACK = re.compile(r"\w{1,60}|attribute \d{1,3}")
NOT_GIVEN = re.compile(r"needs \d+( scores of non-members)?")
AUDIT_TEXTS = ("why_void", "unit", "set_sha256", "images_sha256")  # each compared with something else
RULE = re.compile(r"[a-z ,]{1,80}")  # of a spacing
BREAKS = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]")
FORMS = {"npz": NPZ_FILE, "png": "png", "nifti": "nifti"}


def manifest_problems(folder: Path, exact: SyntheticDataset) -> Iterator[str]:
    """Every entry of ``manifest.json`` that an export does not write, or that the tensors and files contradict.

    Args:
        folder: of the release.
        exact: the set, read from the safetensors.
    """
    manifest = exact.manifest
    parts = {"it": (manifest, {*KEYS, *SET_KEYS})}
    parts |= {"its source": (manifest["source"], {*SOURCE_KEYS}), "its release": (manifest["release"], {*RELEASE_KEYS})}
    for name, (part, known) in parts.items():
        if others := sorted(set(part) - known):
            yield f"manifest.json: {name} has entries that no export writes: {', '.join(others)[:80]}."
    for key in ("method", "dataset", "initial_images"):
        if not NAME.fullmatch(str(manifest.get(key))):
            yield f"manifest.json: expected one word as {key}, got {str(manifest.get(key))[:60]!r}."
    if wrong := [key for key, value in _of_tensors(exact).items() if manifest.get(key) != value]:
        yield f"manifest.json: {', '.join(wrong)} differ from the safetensors."
    if manifest["release"]["images_sha256"] != images_sha256(exact.images):
        yield "manifest.json: the checksum of the images differs from the safetensors."
    release, scale = manifest["release"], EightBit.of(exact.pixels())
    stated = EightBit(**release["eight_bit"])
    if max(abs(scale.low - stated.low), abs(scale.high - stated.high)) > 1e-4 * (scale.high - scale.low):
        yield "manifest.json: the scale of 8 bits is not that of the images."
    if not RULE.fullmatch(str(release["spacing_rule"])):
        yield f"manifest.json: {str(release['spacing_rule'])[:60]!r} is no rule of a spacing."
    for form, file in FORMS.items():
        if (form in release["formats"]) != (folder / file).exists():
            yield f"manifest.json: the formats and the files disagree on {form}."
    yield from _warning_problems(manifest)


def form_problems(
    manifest: Mapping[str, Any],
    scores: Mapping[str, Any],
    audit: Mapping[str, Any] | None,
    ledger: Mapping[str, Any] | None,
) -> Iterator[str]:
    """Every part of the evidence that no export writes, or that contradicts another part.

    Args:
        manifest: of the release.
        scores: content of ``scores.json``.
        audit: content of ``audit.json``; None without an audit.
        ledger: content of ``dp_ledger.json``; None without a ledger.
    """
    for name, content in {"manifest": manifest, "scores": scores, "audit": audit, "dp_ledger": ledger}.items():
        if broken := next((text for text in _strings(content) if BREAKS.search(text)), None):
            yield f"{name}.json has a text with a line break or control character: {broken[:60]!r}."
    rows = {**scores["formats"], **({LEARNED_LABELS: scores["learned_labels"]} if "learned_labels" in scores else {})}
    if json.loads(json.dumps(released_scores(manifest, scores, rows))) != scores:
        yield "scores.json differs from what its rows and the manifest give."
    yield from _file_problems(manifest, audit, ledger)
    if audit is not None:
        if json.loads(json.dumps(released_audit(audit))) != audit:
            yield "audit.json has entries that no export writes, or that do not follow from its figures."
        if wrong := sorted(set(_audit_texts(audit, manifest["class_names"]))):
            yield f"audit.json has a text or number that no export writes: {wrong[0][:60]!r}."
    claim = manifest["privacy"]
    if ledger is not None and claim["tier"] == "T2":
        limits = bounds(claim["epsilon"], claim["delta"])
        yield from (f"dp_ledger.json: {problem}." for problem in ledger_form_problems(ledger, claim, limits))
        yield from _setting_problems(manifest, ledger)


def _file_problems(
    manifest: Mapping[str, Any], audit: Mapping[str, Any] | None, ledger: Mapping[str, Any] | None
) -> Iterator[str]:
    """Evidence that a release of this tier does not have, or that is of another set."""
    guaranteed = manifest["privacy"]["tier"] == "T2"
    if audit is not None and (guaranteed or not is_of_this_set(audit, manifest)):
        yield "audit.json is not of this release."
    if ledger is not None and not guaranteed:
        yield "dp_ledger.json is not of this release."


def _audit_texts(audit: Mapping[str, Any], class_names: Sequence[str]) -> Iterator[str]:
    """Every text, and every number out of its range, that an export does not write into ``audit.json``."""
    released = audit.get("released_set") or {}
    attacks = [*audit["attacks"].items(), *released.get("attacks", {}).items()]
    yield from (name for name, _ in attacks if not ATTACK.fullmatch(name))
    groups = {"mislabelled", "outliers", *(f"class {name}" for name in class_names)}
    for _, attack in attacks:
        yield from {*attack.get("groups", {})} - groups
        reasons = [
            attack,
            *attack.get("groups", {}).values(),
            attack.get("positive_control"),
            attack.get("negative_control"),
        ]
        texts = [text for part in reasons for text in ((part or {}).get("not_given") or {}).values()]
        yield from (text for text in texts if not NOT_GIVEN.fullmatch(str(text)))
    yield from (
        f"{name} {value}" for name, value in _leaves(audit) if isinstance(value, str) and name not in AUDIT_TEXTS
    )
    if audit.get("unit") not in (None, "patient", "image"):
        yield str(audit["unit"])
    counts = {"shadows": audit["shadows"], "copied": released.get("copied", 0)}
    yield from (f"{name} {count}" for name, count in counts.items() if not (isinstance(count, int) and count >= 0))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Values that are no objects, with their names; of the reasons why a rate is missing, none."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves({} if key == "not_given" else inner, key)
    else:
        yield name, value


def _setting_problems(manifest: Mapping[str, Any], ledger: Mapping[str, Any]) -> Iterator[str]:
    """Settings of the method that contradict the claim or the ledger."""
    settings, claim = manifest.get("settings", {}).get("method", {}), manifest["privacy"]
    for name in ("epsilon", "delta", "unit"):
        if settings.get(name, claim[name]) != claim[name]:
            yield f"manifest.json: its settings have the {name} {settings[name]}, its claim {claim[name]}."
    share = (settings.get("prototypes") or {}).get("share")
    if bool(share) != any(event["purpose"] == "prototypes" for event in ledger["events"]):
        yield "manifest.json and dp_ledger.json disagree on whether prototypes were released."


def _of_tensors(exact: SyntheticDataset) -> dict[str, Any]:
    images = {"count": len(exact.images), "shape": list(exact.images.shape[1:]), "dtype": "float32"}
    return {
        "images": images if exact.decode.is_identity else {**images, "decoded": len(exact)},
        "labels": "learned logits" if exact.soft else "class numbers",
        "student_lr": float(exact.student_lr.detach()),
        "spatial_dims": exact.images.ndim - 2,
    }


def _warning_problems(manifest: Mapping[str, Any]) -> Iterator[str]:
    warnings = manifest["release"]["warnings"]
    if len(warnings) > 1 or not all(is_size_warning(text) for text in warnings):
        yield "manifest.json: its warnings are not those of an export."
    if lacks_size_warning(manifest):
        yield "manifest.json: the warning of a set with many images for its source is missing."


def info_problems(folder: Path, exact: SyntheticDataset) -> Iterator[str]:
    """Whether ``medmnist_info.json`` differs from the set that it describes."""
    file = folder / INFO_FILE
    if file.is_file() and json.loads(file.read_text()) != medmnist_info(exact, exact.manifest["release"]):
        yield f"{INFO_FILE}: differs from what the manifest gives."


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (str(key), *_strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
