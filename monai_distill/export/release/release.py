"""The release folder: what another institution gets, stamped with what is promised of it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from monai_distill.data import SyntheticDataset
from monai_distill.export.release.formats import read_release
from monai_distill.export.release.formats.labels import label_rows, with_hard_labels
from monai_distill.export.release.formats.nifti import released_spacing, write_nifti
from monai_distill.export.release.formats.npz import write_npz
from monai_distill.export.release.formats.png import write_png
from monai_distill.export.release.scan import IdentifyingWords, scan_release
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.checksums import checksums

from .audit_evidence import released_audit, rounded
from .card import data_card
from .croissant import croissant
from .license import Owner, license_text
from .manifest import released_manifest, released_scores
from .privacy_report import privacy_report, report_markdown
from .tier import ReleaseTier
from .verify import Verification

__all__ = ["Release"]

FORMATS = ("safetensors", "npz", "png", "nifti")


class Release:
    """Writes a finished run as a release folder: complete, scored, scanned, or not at all.

    Args:
        run: folder of a finished run, or a bundle's ``models/`` after its evaluation.
        folder: to be made; must not exist.
        formats: of ``safetensors`` (always part of a release), ``npz``, ``png``, ``nifti``.
        no_claim: allow tier T0, at which nothing is promised.
        owner: title, publisher, recipient, notes, license.
        hard_labels: release class numbers where labels are learned.
        spacing: millimetres per axis for NIfTI; those of the source, see :func:`released_spacing`, unless given.

    Raises:
        TypeError: when ``no_claim`` is no bool.
        ValueError: for unknown formats, or a set that may not be released: by its license, its tier, its labels, its
            size, or volumes without one spacing.
        RuntimeError: when the run is not finished or ``folder`` exists.

    Example:
        >>> Release("runs/digits_mtt_ipc1_seed0", "release", no_claim=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        run: str | Path,
        folder: str | Path,
        formats: Sequence[str] = FORMATS,
        *,
        no_claim: bool = False,
        owner: Owner | None = None,
        hard_labels: bool = False,
        spacing: Sequence[float] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.formats = [name for name in FORMATS if name in formats]
        self.owner = Owner() if owner is None else owner
        unknown = sorted(set(formats) - set(FORMATS))
        if unknown or "safetensors" not in self.formats:
            raise ValueError(
                f"Expected formats of {', '.join(FORMATS)} with safetensors among them (it holds the learning rate "
                f"and the preprocessing that the others need), got {list(formats)}."
            )
        if self.folder.exists():
            raise RuntimeError(f"{self.folder} exists. Give another folder, or delete it.")
        self.synthetic = SyntheticDataset.load(run)
        self.run_scores, self.audit, self.ledger = (
            _json(Path(run) / f"{name}.json") for name in ("scores", "audit", "ledger")
        )
        manifest = self.synthetic.manifest
        license = None if self.owner.license is None else Path(self.owner.license)
        self.license = license_text(manifest, license)
        self.owner.notes_text()  # an unreadable file is told of now, not after an hour of scoring
        self.tier = ReleaseTier.of(manifest, self.audit, self.ledger)
        if hard_labels and self.synthetic.soft:
            self.synthetic = with_hard_labels(self.synthetic)
        self._require_allowed(no_claim)
        if self.run_scores is None:  # after what no scores can change
            raise RuntimeError(
                f"Cannot find scores.json in {run}: the set is not scored. Resume the run; of a bundle, run train.json "
                "with evaluate.json."
            )
        self.spacing = released_spacing(manifest, spacing, needed="nifti" in self.formats)
        self.manifest = released_manifest(
            self.synthetic, self.tier, self.owner, self.license, self.formats, self.spacing
        )

    def write(self, students: Callable[..., Any], words: IdentifyingWords, device: Any = "cpu") -> Path:
        """Write, read back, score, describe, scan; only then does the folder appear under its name.

        Args:
            students: makes the evaluator of the run, called with ``training_set`` and ``on_step``; its ``run()`` and
                ``scores()`` are called once per format that can be trained on.
            words: what the last scan looks for.
            device: where the students are trained.

        Raises:
            RuntimeError: when the scan finds something or the folder does not verify; nothing is left behind.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
        try:
            beside.chmod(0o755)  # mkdtemp makes it unreadable for others
            self._write_set(beside)
            _require_nothing_found(beside, words)  # before an hour of scoring as well as after it
            scores = released_scores(self.manifest, self.run_scores or {}, self._score(beside, students, device))
            self._describe(beside, scores, words)
            _require_nothing_found(beside, words)
            problems = Verification.of(beside).problems  # what the recipient will find is to be found here
            if problems:
                raise RuntimeError(f"The release does not verify, so nothing was exported: {'; '.join(problems[:5])}.")
            beside.rename(self.folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return self.folder

    def _require_allowed(self, no_claim: bool) -> None:
        if not isinstance(no_claim, bool):  # a command line's word "false" would open the gate
            raise TypeError(f"Expected no_claim True or False, got {no_claim!r}.")
        if self.synthetic.soft and self.tier.name == "T1":
            raise ValueError(
                "Learned labels leak what the expert knows of real images, and the audit of the images does not cover "
                "that. Pass --hard_labels to release class numbers, or --no_claim is needed after an audit of its own."
            )
        self.tier.require(no_claim)

    def _write_set(self, folder: Path) -> None:
        about = self.manifest["release"]
        plain = SyntheticDataset(
            self.synthetic.images,
            self.synthetic.labels,
            self.synthetic.class_names,
            student_lr=float(self.synthetic.student_lr.detach()),
            label_logits=self.synthetic.label_logits if self.synthetic.soft else None,
            preprocessing=self.synthetic.preprocessing,
            manifest=self.manifest,
        )
        plain.save(folder)
        self.manifest = plain.manifest
        atomic_write(folder / "labels.csv", label_rows(plain))
        if "npz" in self.formats:
            write_npz(plain, folder, about)
        if "png" in self.formats:
            write_png(plain, folder)
        if "nifti" in self.formats:
            write_nifti(plain, folder, self.spacing[0])

    def _score(self, folder: Path, students: Callable[..., Any], device: Any) -> dict[str, dict[str, Any]]:
        """What networks reach that are trained on each format as it lies in the folder."""
        rows = {}
        with tqdm(desc="scoring the release", unit="step", disable=None) as bar:
            for name in (form for form in self.formats if form != "png"):
                held = read_release(folder, name).to(device)
                evaluator = students(training_set=held.training_set, on_step=lambda: bar.update(1))
                evaluator.run()
                rows[name] = {**evaluator.scores(), "student_lr": float(held.student_lr.detach())}
        return rows

    def _describe(self, folder: Path, scores: dict[str, Any], words: IdentifyingWords) -> None:
        _save(folder / "scores.json", scores)
        if self.audit is not None and self.tier.name != "T2":
            _save(folder / "audit.json", released_audit(self.audit))
        if self.ledger is not None and self.tier.name == "T2":
            _save(folder / "dp_ledger.json", self.ledger)
        report = privacy_report(
            self.manifest,
            self.tier,
            self.owner,
            audit=self.audit,
            ledger=self.ledger,
            # the words are patients and their files: at T2 their number is what the guarantee hides
            searched={} if self.tier.name == "T2" else {"words": rounded(len(words)), "weak": rounded(words.weak)},
            run_statement=(self.synthetic.manifest.get("privacy") or {}).get("statement"),
        )
        _save(folder / "privacy_report.json", report)
        atomic_write(folder / "privacy_report.md", report_markdown(report).encode())
        atomic_write(folder / "LICENSE", self.license.encode())
        there = {path.name for path in folder.iterdir()} | {"croissant.json"}
        atomic_write(folder / "DATA_CARD.md", data_card(self.manifest, scores, self.tier, self.owner, there).encode())
        _save(folder / "croissant.json", croissant(folder, self.manifest, self.tier, self.owner))
        atomic_write(folder / "SHA256SUMS", checksums(folder).encode())


def _require_nothing_found(folder: Path, words: IdentifyingWords) -> None:
    findings = scan_release(folder, words)
    if findings:
        shown = "; ".join(findings[:10]) + (f"; and {len(findings) - 10} more" if len(findings) > 10 else "")
        raise RuntimeError(
            f"The last scan found what must not leave, so nothing was exported: {shown}. Correct it at its source "
            "(the owner's texts, class names, the configuration); --not_identifying WORD lets a word pass."
        )


def _json(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise RuntimeError(f"{file} is no JSON ({error}). Make it anew.") from error
    return content


def _save(file: Path, content: Any) -> None:
    atomic_write(file, json.dumps(content, indent=2).encode())
