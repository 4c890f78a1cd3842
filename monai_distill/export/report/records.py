"""The files of one run folder, from which a report is made."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.metrics.score_record import RunScores

__all__ = ["RunRecords"]

REAL_STARTS = ("real", "correct", "clusters")  # values of --initial_images that start from training images

Record = Mapping[str, Any]


class RunRecords(NamedTuple):
    """The set of a finished run and its other files; a missing file is an empty mapping.

    Attributes:
        synthetic: the set, with its manifest.
        scores: of ``scores.json``.
        history: ``iterations`` and ``validations``, lists of rows.
        audit: of ``audit.json``.
        ledger: of ``ledger.json``.

    Example:
        >>> import tempfile, torch
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"]).save(folder)
        >>> _ = (folder / "scores.json").write_text('{"distilled": {}}')
        >>> RunRecords.read(folder).images_per_class
        1
    """

    synthetic: SyntheticDataset
    scores: RunScores
    history: Record
    audit: Record
    ledger: Record

    @property
    def manifest(self) -> Record:
        """Manifest of the set."""
        return self.synthetic.manifest

    @property
    def source(self) -> Record:
        """Provenance of the real images."""
        source: Record = self.manifest.get("source", {})
        return source

    @property
    def started_real(self) -> bool:
        """Whether the images started from real training images."""
        return self.manifest.get("initial_images") in REAL_STARTS

    @property
    def audited_this_set(self) -> bool:
        """Whether the audit is of this set; an audit without a hash counts as one."""
        return self.audit.get("set_sha256") in (None, self.manifest.get("sha256"))

    @property
    def images_per_class(self) -> int:
        """Number of stored images in the largest class."""
        return int(self.synthetic.canvas_labels.bincount().max())

    @property
    def effective_per_class(self) -> int:
        """Number of images that are decoded from those; equal without a decode."""
        return int(self.synthetic.labels.bincount().max())

    def counts(self, section: str) -> list[int]:
        """Images per class in one section (``training``, ``validation``, ``test``); empty if unknown."""
        return list(self.source.get("counts", {}).get(section, []))

    @classmethod
    def read(cls, folder: str | Path) -> RunRecords:
        """Read a run folder.

        Raises:
            RuntimeError: if the set or its scores are missing, or a file is damaged.
        """
        folder = Path(folder)
        synthetic = SyntheticDataset.load(folder)
        if not (folder / "scores.json").is_file():
            raise RuntimeError(
                f"Cannot find {folder / 'scores.json'}: no scores yet. Continue with: monai-distill resume {folder} "
                "; for a bundle, run train.json with evaluate.json."
            )
        names = ("scores", "history", "audit", "ledger")
        files = {name: _read(folder / f"{name}.json") for name in names}
        records = cls(synthetic, **files)  # type: ignore[arg-type]
        if not isinstance(records.scores.get("distilled"), dict):
            raise RuntimeError(
                f"{folder / 'scores.json'} has no scores of the set. Run: monai-distill evaluate {folder}"
            )
        return records


def _read(file: Path) -> Record:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise RuntimeError(f"{file} is not valid JSON ({error}). Write it again, or remove it.") from error
    if not isinstance(content, dict):
        raise RuntimeError(f"Expected an object in {file}, got {type(content).__name__}. Write it again.")
    return content
