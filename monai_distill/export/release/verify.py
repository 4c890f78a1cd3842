"""Checks a received release folder and says what is promised of it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from monai_distill.export.release.formats import read_release
from monai_distill.export.release.formats.npz import EightBit
from monai_distill.export.release.scan import scan_release
from monai_distill.runtime.checksums import checksums

from .audit_evidence import against_audited, findings
from .tier import NAMES, bounds, disagreement

__all__ = ["Verification"]

Cost = Callable[[Sequence[Mapping[str, Any]], float], float]
ROUNDING = 1e-3  # relative, between versions of the accountant

NEEDED = (
    *("DATA_CARD.md", "LICENSE", "croissant.json", "labels.csv", "manifest.json"),
    *("privacy_report.json", "privacy_report.md", "scores.json", "synthetic.safetensors"),
)


@dataclass(frozen=True)
class Verification:
    """What is wrong with a release folder, and what it promises; made by :meth:`of`.

    Args:
        problems: one line each; empty when the folder is as it was made.
        promised: what the release promises, and on what evidence.
        not_promised: what it does not.
        identity: SHA-256 of ``SHA256SUMS``. Whoever changes a folder can write new checksums: compare this one with the
            sender's, by another way than the folder came.

    Example:
        >>> import tempfile
        >>> Verification.of(tempfile.mkdtemp()).problems[0]
        'SHA256SUMS is missing: without it nothing can be checked.'
    """

    problems: tuple[str, ...]
    promised: tuple[str, ...] = ()
    not_promised: tuple[str, ...] = ()
    identity: str = ""

    @classmethod
    def of(cls, folder: str | Path, cost: Cost | None = None) -> Verification:
        """Check sums, files, scan, loading, and that tier, ledger and audit agree.

        Args:
            folder: of the release.
            cost: what the events of a ledger cost at a delta: :func:`~monai_distill.privacy.dp.ledger_epsilon`; None
                takes the ledger's own sum for granted.

        Raises:
            ValueError: when ``folder`` is no folder, or that of a run.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise ValueError(f"Expected a release folder, got {folder}. Unpack it first.")
        sums = folder / "SHA256SUMS"
        if not sums.is_file() and (folder / "config.json").is_file() and (folder / "manifest.json").is_file():
            raise ValueError(
                f"Expected a release folder, got the run folder {folder}, which stays with the owner of the data: "
                f"monai-distill export {folder} --to DIR makes the release."
            )
        if not sums.is_file():
            return cls(("SHA256SUMS is missing: without it nothing can be checked.",))
        problems = [*_sum_problems(folder), *scan_release(folder)]
        problems += [f"{name} is missing." for name in NEEDED if not (folder / name).is_file()]
        if any(path.is_symlink() for path in folder.rglob("*")):
            return cls((*problems, "nothing was opened, because a link leads elsewhere."))
        promised: list[str] = []
        not_promised: list[str] = []
        if all((folder / name).is_file() for name in NEEDED):
            try:
                problems += _loading_problems(folder)
                problems += _tier_problems(folder, cost)
                promised, not_promised = _promises(folder)
            # a folder from elsewhere can be broken in any way: that is a finding, not a crash
            except Exception as error:
                problems.append(f"cannot be read as a release ({type(error).__name__}: {error}).")
        identity = hashlib.sha256(sums.read_bytes()).hexdigest()
        return cls(tuple(problems), tuple(promised), tuple(not_promised), identity)


def _sum_problems(folder: Path) -> Iterator[str]:
    listed: dict[str, str] = {}
    for line in (folder / "SHA256SUMS").read_text(errors="replace").splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if match is None:
            yield f"SHA256SUMS has a line that is no checksum: {line[:60]!r}."
        else:
            listed[match[2]] = match[1]
    found = {line[66:]: line[:64] for line in checksums(folder).splitlines()}
    for name in sorted({*listed, *found}):
        if name not in found:
            yield f"{name}: is listed in SHA256SUMS and missing."
        elif name not in listed:
            yield f"{name}: is not listed in SHA256SUMS."
        elif listed[name] != found[name]:
            yield f"{name}: differs from its checksum."


def _loading_problems(folder: Path) -> Iterator[str]:
    exact = read_release(folder)
    about = exact.manifest["release"]
    scale = EightBit(**about["eight_bit"])
    tolerances = {"npz": scale.step * 0.51 + 1e-4, "nifti": 1e-4}
    for name in (form for form in about["formats"] if form in tolerances):
        held = read_release(folder, name)
        apart = float((held.pixels() - exact.pixels()).abs().max())
        if not apart <= tolerances[name]:  # written so that NaN fails as well
            yield f"{name}: its images differ from the safetensors by {apart:.3g}, more than rounding does."
        if not torch.equal(held.labels, exact.labels) and not exact.soft:
            yield f"{name}: its labels differ from the safetensors."
    if "png" in about["formats"] and len(list(folder.glob("png/*.png"))) != len(exact):
        yield f"png: expected {len(exact)} previews."
    listed = {entry["@id"]: entry["sha256"] for entry in _read(folder, "croissant")["distribution"]}
    own = {line[66:]: line[:64] for line in checksums(folder).splitlines()}  # a name may not lead out of the folder
    for name, digest in listed.items():
        if own.get(name) != digest:
            yield f"croissant.json: its checksum of {name} is another."


def _tier_problems(folder: Path, cost: Cost | None) -> Iterator[str]:
    manifest = _read(folder, "manifest")
    said, reported = manifest["privacy"], _read(folder, "privacy_report")["tier"]
    if said != reported:
        yield "manifest.json and privacy_report.json promise different things."
    if said["tier"] not in NAMES:
        yield f"the tier {said['tier']!r} is not known."
    if said["tier"] == "T2":
        ledger = _read(folder, "dp_ledger") if (folder / "dp_ledger.json").is_file() else {}
        wrong = disagreement(said, ledger) if ledger.get("events") else "It is missing or has no events."
        if wrong:
            yield f"dp_ledger.json does not bear out the promise. {wrong}"
        elif cost is not None:
            yield from _cost_problems(ledger, cost)
    if said["tier"] == "T1":
        audit = _read(folder, "audit") if (folder / "audit.json").is_file() else {"void": True}
        if audit["void"] or not audit["attacks"]:
            yield "audit.json does not bear out the promise: it is missing, void or without attacks."
        else:
            yield from (f"audit.json does not bear out the promise: {why}." for why in against_audited(manifest, audit))


def _cost_problems(ledger: dict[str, Any], cost: Cost) -> Iterator[str]:
    """A ledger's sum against its own events, which anybody can add up."""
    try:
        spent = cost(ledger["events"], float(ledger["delta"]))
    except (KeyError, TypeError, ValueError) as error:
        yield f"dp_ledger.json has events that cannot be added up ({type(error).__name__}: {error})."
        return
    if spent > ledger["epsilon"] * (1 + ROUNDING):
        yield f"dp_ledger.json says that epsilon {ledger['epsilon']:.4g} was spent, its events cost {spent:.4g}."


def _promises(folder: Path) -> tuple[list[str], list[str]]:
    report = _read(folder, "privacy_report")
    tier = report["tier"]
    title = f"{tier['tier']} ({NAMES.get(tier['tier'], 'unknown')})"
    promised = [f"{title}: {tier['statement']}"]
    if tier["tier"] == "T2":
        for fpr, limit in bounds(tier["epsilon"], tier["delta"]).items():
            promised.append(f"no attack finds more than {limit:.2%} of members at {float(fpr):.1%} false positives")
    if tier["tier"] == "T1":  # its statement holds the same figures in one breath
        audit = _read(folder, "audit")
        promised = [
            f"{title}: attacked with {audit['shadows']} shadow sets, and nothing beyond what came of each attack"
        ]
        for kind, attacks in findings(audit).items():
            promised += [f"an attack {kind}: {attack}" for attack in attacks]
    scores = _read(folder, "scores")
    for name, row in scores["formats"].items():
        mean, students = row["accuracy"]["mean"], scores["students"]
        promised.append(f"stated, not measured here: accuracy {mean:.3f} when trained on {name}, {students} networks")
    lower = [f"not of a higher tier: {why}" for why in report["against_a_higher_tier"]]
    return promised, [*report["not_claimed"], *lower]


def _read(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return content
