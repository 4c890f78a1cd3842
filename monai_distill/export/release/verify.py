"""Checks a received release folder and separates what was checked from what the sender claims."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from monai_distill.export.release.formats.labels import label_rows
from monai_distill.export.release.formats.npz import EightBit
from monai_distill.export.release.formats.reading import read_release
from monai_distill.export.release.scan.scan import scan_release
from monai_distill.runtime.checksums import checksums

from .claim_check import Claim, Cost
from .evidence_form import info_problems, manifest_problems
from .privacy_report import NON_CLAIMS
from .signature import SIGNATURE_FILE, signature_problem

__all__ = ["Verification"]

NEEDED = (
    *("DATA_CARD.md", "LICENSE", "croissant.json", "labels.csv", "manifest.json"),
    *("privacy_report.json", "privacy_report.md", "scores.json", "synthetic.safetensors"),
)


@dataclass(frozen=True)
class Verification:
    """The result of checking a release folder; made by :meth:`of`.

    Args:
        problems: one line each; empty if every check passed. The other lists are empty if there is a problem.
        checked: facts that this program checked in the folder.
        claimed: what the sender claims, worded from the evidence in the folder.
        not_checked: what this program did not or cannot check.
        not_claimed: what no release claims.
        identity: SHA-256 of ``SHA256SUMS``. Whoever changes a folder can write new checksums. So compare this value
            with the sender's, received separately from the folder, or use a signature.

    Example:
        >>> import tempfile
        >>> Verification.of(tempfile.mkdtemp()).problems[0]
        'SHA256SUMS is missing: without it nothing can be checked.'
    """

    problems: tuple[str, ...]
    checked: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    not_claimed: tuple[str, ...] = ()
    identity: str = ""

    @classmethod
    def of(cls, folder: str | Path, cost: Cost | None = None, trusted: str | Path | None = None) -> Verification:
        """Check sums, files, scan, formats, the agreement of all texts with the evidence, and the signature.

        Args:
            folder: of the release.
            cost: what the events of a ledger cost at a delta,
                :func:`~monai_distill.privacy.dp.accounting.ledger_epsilon`; None does not check the sum of a ledger.
            trusted: public key of the sender in PEM format; None does not check the signature.

        Raises:
            ValueError: if ``folder`` is not a folder or is a run folder, or ``trusted`` is not an Ed25519 public key.
            RuntimeError: if ``trusted`` is given and ``cryptography`` is not installed.
        """
        folder = Path(folder)
        _require_release(folder)
        sums = folder / "SHA256SUMS"
        if not sums.is_file():
            return cls(("SHA256SUMS is missing: without it nothing can be checked.",))
        problems = [*_sum_problems(folder), *scan_release(folder)]
        problems += [f"{name} is missing." for name in NEEDED if not (folder / name).is_file()]
        if trusted is not None and (problem := signature_problem(folder, trusted)):
            problems.append(problem)
        if any(path.is_symlink() for path in folder.rglob("*")):
            return cls((*problems, "No file was opened, because a link leads out of the folder."))
        identity = hashlib.sha256(sums.read_bytes()).hexdigest()
        if any(not (folder / name).is_file() for name in NEEDED):
            return cls(tuple(problems), identity=identity)
        try:
            problems += _format_problems(folder)
            claim = Claim.read(folder)
            problems += claim.problems(cost)
            if not problems:
                facts = [*_facts(folder), *_claim_facts(claim, cost)]
                facts += [] if trusted is None else [f"The holder of the key {trusted} signed SHA256SUMS."]
                unknown = [*claim.unverifiable(), *_unused(folder, claim, cost, trusted)]
                return cls((), tuple(facts), tuple(claim.statements()), tuple(unknown), NON_CLAIMS, identity)
        # a received folder can be broken in any way: that is a finding, not a crash
        except Exception as error:
            problems.append(f"The folder cannot be read as a release ({type(error).__name__}: {error}).")
        return cls(tuple(problems), identity=identity)


def _require_release(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"Expected a release folder, got {folder}. Unpack it first.")
    run_files = all((folder / name).is_file() for name in ("config.json", "manifest.json"))
    if run_files and not (folder / "SHA256SUMS").is_file():
        raise ValueError(
            f"Expected a release folder, got the run folder {folder}, which stays with the owner of the data: "
            f"monai-distill export {folder} --to DIR makes the release."
        )


def _sum_problems(folder: Path) -> Iterator[str]:
    listed: dict[str, str] = {}
    for line in (folder / "SHA256SUMS").read_text(errors="replace").splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if match is None:
            yield f"SHA256SUMS has a line that is not a checksum: {line[:60]!r}."
        else:
            listed[match[2]] = match[1]
    actual = _actual_sums(folder)
    for name in sorted({*listed, *actual}):
        if name not in actual:
            yield f"{name}: is listed in SHA256SUMS and missing."
        elif name not in listed:
            yield f"{name}: is not listed in SHA256SUMS."
        elif listed[name] != actual[name]:
            yield f"{name}: differs from its checksum."


def _actual_sums(folder: Path) -> dict[str, str]:
    sums = {line[66:]: line[:64] for line in checksums(folder).splitlines()}
    sums.pop(SIGNATURE_FILE, None)  # made after the checksums
    return sums


def _format_problems(folder: Path) -> Iterator[str]:
    exact = read_release(folder)
    yield from manifest_problems(folder, exact)
    yield from info_problems(folder, exact)
    release = exact.manifest["release"]
    scale = EightBit(**release["eight_bit"])
    tolerances = {"npz": scale.step * 0.51 + 1e-4, "nifti": 1e-4}
    for name in (form for form in release["formats"] if form in tolerances):
        stored = read_release(folder, name)
        difference = float((stored.pixels() - exact.pixels()).abs().max())
        if not difference <= tolerances[name]:  # also true for NaN
            yield f"{name}: its images differ from the safetensors by {difference:.3g}, more than rounding does."
        if not torch.equal(stored.labels, exact.labels) and not exact.soft:
            yield f"{name}: its labels differ from the safetensors."
    if "png" in release["formats"] and len(list(folder.glob("png/*.png"))) != len(exact):
        yield f"png: expected {len(exact)} previews."
    if (folder / "labels.csv").read_bytes() != label_rows(exact):
        yield "labels.csv: differs from the safetensors."
    listed = Claim.listed_checksums(folder)
    actual = _actual_sums(folder)  # a listed name may not lead out of the folder
    for name, digest in listed.items():
        if actual.get(name) != digest:
            yield f"croissant.json: its checksum of {name} differs."


def _facts(folder: Path) -> Iterator[str]:
    formats = [name for name in read_release(folder).manifest["release"]["formats"] if name in ("npz", "nifti")]
    yield f"All {len(_actual_sums(folder))} files match SHA256SUMS, and croissant.json lists the same checksums."
    yield (
        "Every file has the structure that an export writes. The search for paths, DICOM names and identifiers, EXIF "
        "data and pickles found nothing."
    )
    if formats:
        yield f"{' and '.join(formats)}: same images as the safetensors up to rounding, same labels."


def _claim_facts(claim: Claim, cost: Cost | None) -> Iterator[str]:
    evidence = {"T1": " as it follows from audit.json", "T2": " as it follows from dp_ledger.json"}.get(claim.tier, "")
    yield (
        f"Manifest, privacy report, data card and croissant.json state the same tier {claim.tier}{evidence}, in the "
        "words of this program."
    )
    if claim.tier != "T0":
        yield f"The recorded initial images ({claim.manifest['initial_images']}) are allowed at this tier."
    if claim.tier == "T2" and cost is not None:
        ledger, spent = claim.ledger or {}, claim.spent(cost)
        count, delta = len(ledger["events"]), ledger["delta"]
        yield f"The {count} events of the ledger add up to epsilon {spent:.4g} at delta {delta:g}."


def _unused(folder: Path, claim: Claim, cost: Cost | None, trusted: str | Path | None) -> Iterator[str]:
    if claim.tier == "T2" and cost is None:
        yield "Whether the events of the ledger add up to its epsilon: pip install 'monai-distill[privacy]'."
    if trusted is None:
        signed = (folder / SIGNATURE_FILE).is_file()
        yield f"Who sent the folder: {'it is signed, use --trusted PUBLIC.pem' if signed else 'it is not signed'}."
