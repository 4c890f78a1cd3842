"""The release folder that another institution receives."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai_distill.claims.tier import is_of_this_set, tier_of
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.export.release.formats.labels import label_rows, with_hard_labels
from monai_distill.export.release.formats.nifti import released_spacing, write_nifti
from monai_distill.export.release.formats.npz import write_npz
from monai_distill.export.release.formats.png import write_png
from monai_distill.export.release.formats.reading import read_release
from monai_distill.export.release.scan.identifying_words import IdentifyingWords
from monai_distill.export.release.scan.scan import scan_release
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.checksums import checksums
from monai_distill.runtime.progress import open_progress_bar

from .audit_evidence import released_audit, rounded
from .card import data_card
from .croissant import croissant
from .json_files import read_json, write_json
from .license import Owner, license_text
from .manifest import LEARNED_LABELS, released_manifest, released_scores
from .privacy_report import privacy_report, report_markdown
from .tier import ReleaseTier
from .verify import Verification

__all__ = ["Release"]

FORMATS = ("safetensors", "npz", "png", "nifti")
LABELS = ("hard", "soft")


class Release:
    """Writes a finished run as a release folder: complete, scored and scanned, or not at all.

    Args:
        run: folder of a finished run, or ``models/`` of a bundle after its evaluation.
        folder: the release folder; must not exist.
        formats: of ``safetensors`` (required), ``npz``, ``png``, ``nifti``.
        no_claim: allow tier T0, for which nothing is claimed.
        owner: title, publisher, recipient, notes, license.
        labels: ``"hard"`` releases class numbers, also where labels are learned, and reports the cost in accuracy.
            ``"soft"`` releases learned labels. They can carry more about single training images, even about images that
            influenced no released image.
        spacing: millimeters per axis for NIfTI; None takes that of the source, see :func:`released_spacing`.

    Raises:
        TypeError: if ``no_claim`` is not a bool.
        ValueError: for unknown formats or labels, or for a set that may not be released because of its license, tier,
            labels, size, or volumes with different spacings.
        RuntimeError: if the run is not scored or ``folder`` exists.

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
        labels: str = "hard",
        spacing: Sequence[float] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.formats = [name for name in FORMATS if name in formats]
        self.owner = Owner() if owner is None else owner
        self._check_choices(formats, labels)
        self.synthetic = SyntheticDataset.load(run)
        self.run_scores, self.audit, self.ledger = (
            read_json(Path(run) / f"{name}.json") for name in ("scores", "audit", "ledger")
        )
        manifest = self.synthetic.manifest
        self.license = license_text(manifest, None if self.owner.license is None else Path(self.owner.license))
        self.notes = self.owner.notes_text()  # raises now if the file is unreadable, not after an hour of scoring
        self.tier = self._tier(manifest)
        self._require_allowed(no_claim, labels)
        self.learned = self.synthetic if labels == "hard" and self.synthetic.soft else None
        if self.learned is not None:
            self.synthetic = with_hard_labels(self.synthetic)
        if self.run_scores is None:  # scores do not affect the checks above
            raise RuntimeError(
                f"Cannot find scores.json in {run}: the set is not scored. Resume the run. For a bundle, run "
                "train.json with evaluate.json."
            )
        self.spacing = released_spacing(manifest, spacing, needed="nifti" in self.formats)
        self.manifest = released_manifest(
            self.synthetic,
            self.tier,
            self.owner,
            self.license,
            self.formats,
            self.spacing,
            labels_reduced=self.learned is not None,
        )
        self._require_images_named()

    def write(self, students: Callable[..., Any], words: IdentifyingWords, device: Any = "cpu") -> Path:
        """Write, read back, score, describe and scan. Only then does the folder get its name.

        Args:
            students: scores a set by the students of the run: called with ``training_set`` and ``on_step`` once per
                format that can be trained on, it returns a row of scores.
            words: the identifying words for the scan.
            device: where the students are trained.

        Raises:
            RuntimeError: if the scan finds something or the folder does not verify. Then nothing remains on disk.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
        try:
            draft.chmod(0o755)  # mkdtemp makes it unreadable for others
            self._write_set(draft)
            _require_clean(draft, words)  # before an hour of scoring as well as after it
            scores = released_scores(self.manifest, self.run_scores or {}, self._score(draft, students, device))
            self._describe(draft, scores, words)
            _require_clean(draft, words)
            problems = Verification.of(draft).problems  # what the recipient would see
            if problems:
                raise RuntimeError(f"The release does not verify, so nothing was exported: {'; '.join(problems[:5])}.")
            draft.rename(self.folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return self.folder

    def _check_choices(self, formats: Sequence[str], labels: str) -> None:
        if set(formats) - set(FORMATS) or "safetensors" not in self.formats:
            raise ValueError(
                f"Expected formats of {', '.join(FORMATS)} with safetensors among them (it holds the learning rate "
                f"and the preprocessing that the others need), got {list(formats)}."
            )
        if labels not in LABELS:
            raise ValueError(f"Expected labels {' or '.join(LABELS)}, got {labels!r}.")
        if self.folder.exists():
            raise RuntimeError(f"{self.folder} exists. Choose another folder, or delete it.")

    def _tier(self, manifest: dict[str, Any]) -> ReleaseTier:
        """The tier; an audit of another set is left out, but can still show that a mechanism is broken."""
        stale = self.audit is not None and not is_of_this_set(self.audit, manifest)
        guaranteed = (manifest.get("privacy") or {}).get("tier") == "T2"
        tier = ReleaseTier.of(manifest, None if stale and not guaranteed else self.audit, self.ledger)
        self.audit = None if stale else self.audit
        return tier

    def _require_allowed(self, no_claim: bool, labels: str) -> None:
        if not isinstance(no_claim, bool):  # the word "false" of a command line would be true
            raise TypeError(f"Expected no_claim True or False, got {no_claim!r}.")
        if labels == "soft" and self.synthetic.soft and self.tier.name == "T1":
            raise ValueError(
                "Learned labels carry what the experts know about real images, and the audit of the images does not "
                "cover them. Leave out --labels soft to release class numbers."
            )
        self.tier.require(no_claim)

    def _require_images_named(self) -> None:
        if self.learned is not None and (tier := tier_of(self.manifest, self.audit, self.ledger)).refused:
            raise ValueError(
                f"With class numbers in place of learned labels, the files do not support {tier.claimed}: "
                f"{'; '.join(tier.reasons)}. Files of earlier versions name no checksum of the images."
            )

    def _write_set(self, folder: Path) -> None:
        release = self.manifest["release"]
        plain = SyntheticDataset(
            self.synthetic.images,
            self.synthetic.canvas_labels,
            self.synthetic.class_names,
            student_lr=float(self.synthetic.student_lr.detach()),
            label_logits=self.synthetic.label_logits if self.synthetic.soft else None,
            preprocessing=self.synthetic.preprocessing,
            decode=self.synthetic.decode,
            manifest=self.manifest,
        )
        plain.save(folder)
        self.manifest = plain.manifest
        atomic_write(folder / "labels.csv", label_rows(plain))
        if "npz" in self.formats:
            write_npz(plain, folder, release)
        if "png" in self.formats:
            write_png(plain, folder)
        if "nifti" in self.formats:
            write_nifti(plain, folder, self.spacing[0])

    def _score(self, folder: Path, students: Callable[..., Any], device: Any) -> dict[str, dict[str, Any]]:
        """Scores of networks that are trained on each format, read back from the folder, and on the learned labels."""
        sets = {name: read_release(folder, name) for name in self.formats if name != "png"}
        if self.learned is not None:
            sets[LEARNED_LABELS] = self.learned
        rows = {}
        with open_progress_bar(0, "scoring the release", "step") as bar:
            for name, synthetic in sets.items():
                moved = synthetic.to(device)
                row = students(training_set=moved, on_step=lambda: bar.update(1))
                rows[name] = {**row, "student_lr": float(moved.student_lr.detach())}
        return rows

    def _describe(self, folder: Path, scores: dict[str, Any], words: IdentifyingWords) -> None:
        write_json(folder / "scores.json", scores)
        if self.audit is not None and self.tier.name != "T2":
            write_json(folder / "audit.json", released_audit(self.audit))
        if self.ledger is not None and self.tier.name == "T2":
            write_json(folder / "dp_ledger.json", self.ledger)
        report = privacy_report(
            self.manifest,
            self.tier,
            self.owner,
            audit=self.audit,
            ledger=self.ledger,
            # the words are patients and their files, and T2 protects the number of patients
            searched={} if self.tier.name == "T2" else {"words": rounded(len(words)), "weak": rounded(words.weak)},
        )
        write_json(folder / "privacy_report.json", report)
        atomic_write(folder / "privacy_report.md", report_markdown(report).encode())
        atomic_write(folder / "LICENSE", self.license.encode())
        names = {path.name for path in folder.iterdir()} | {"croissant.json"}
        atomic_write(folder / "DATA_CARD.md", self._card(scores, names).encode())
        write_json(folder / "croissant.json", croissant(folder, self.manifest, self.tier, self.owner))
        atomic_write(folder / "SHA256SUMS", checksums(folder).encode())

    def _card(self, scores: dict[str, Any], names: set[str]) -> str:
        return data_card(self.manifest, scores, self.tier, self.owner, names, self.notes)


def _require_clean(folder: Path, words: IdentifyingWords) -> None:
    findings = scan_release(folder, words)
    if findings:
        shown = "; ".join(findings[:10]) + (f"; and {len(findings) - 10} more" if len(findings) > 10 else "")
        raise RuntimeError(
            f"The scan found identifying content, so nothing was exported: {shown}. Correct it at its source (the "
            "owner's texts, class names, the configuration). --not_identifying WORD allows a word."
        )
