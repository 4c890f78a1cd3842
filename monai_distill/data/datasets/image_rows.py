"""Rows of image files with labels, patients and splits: checks, and the sections they fall into."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from monai_distill.data.reading.dicom_series import dicom_files

from .splits import check_patient_overlap, patient_split, stratified_split

__all__ = [
    "SPLIT_NAMES",
    "ImageRow",
    "check_files",
    "label_indices",
    "listing_checksum",
    "refuse_empty_cells",
    "sections_of",
    "sorted_names",
]

SPLIT_NAMES = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class ImageRow:
    """One labelled image file.

    Attributes:
        image: the path relative to the root folder.
        label: the class, as written.
        where: how to name the row in an error, such as ``"row 3 of table.csv"``.
        patient: whose image it is, where known.
        split: the section as written, where given.
        extra: further keys of the item.
    """

    image: str
    label: str
    where: str
    patient: str | None = None
    split: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def sorted_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The distinct labels in order; whole numbers by value.

    Example:
        >>> sorted_names(["10", "9", "9"]), sorted_names(["b", "a"])
        (('9', '10'), ('a', 'b'))
    """
    names = set(labels)
    if all(re.fullmatch(r"-?\d+", name) for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


def label_indices(rows: Sequence[ImageRow], class_names: Sequence[str]) -> list[int]:
    """The label of every row.

    Raises:
        ValueError: naming up to five rows whose label is not among ``class_names``.

    Example:
        >>> label_indices([ImageRow("a.png", "cat", "row 2")], ["bird", "cat"])
        [1]
    """
    order = {name: label for label, name in enumerate(class_names)}
    wrong = [row for row in rows if row.label not in order]
    if wrong:
        shown = ", ".join(f"{row.label!r} in {row.where}" for row in wrong[:5])
        raise ValueError(
            f"{len(wrong)} label(s) outside the classes: expected one of {list(class_names)}, got {shown}; "
            "correct them or pass class_names."
        )
    return [order[row.label] for row in rows]


def refuse_empty_cells(rows: Sequence[ImageRow]) -> None:
    """Do nothing when every row has an image, a label and, where patients are known, a patient.

    Raises:
        ValueError: naming up to five rows that lack one; an empty cell is no class and no patient.

    Example:
        >>> refuse_empty_cells([ImageRow("a.png", "cat", "row 2")])
    """
    for what in ("image", "label", "patient"):
        without = [row.where for row in rows if getattr(row, what) == ""]
        if without:
            way = "fill it in, or take the rows out"
            if what == "patient":
                way = (
                    "fill in who it is (the file name, where nothing is known), so that no patient falls into two "
                    "sections"
                )
            raise ValueError(f"{len(without)} row(s) have no {what}, expected one in each row: {without[:5]}; {way}.")


def check_files(root: Path, rows: Sequence[ImageRow], advice: str) -> None:
    """Refuse files that are listed twice or are not there.

    Args:
        root: the folder that the paths are relative to.
        rows: the rows.
        advice: where to get the data.

    Raises:
        ValueError: if an image is listed twice; it could fall into two sections.
        RuntimeError: if files are missing; says how many and names three.
    """
    seen: dict[str, ImageRow] = {}
    for row in rows:
        path = os.path.normpath(root / row.image)  # a.png and ./a.png are one image
        if path in seen:
            raise ValueError(
                f"{row.image} is listed twice, expected once: {seen[path].where} and {row.where}; remove one."
            )
        seen[path] = row
    listed = [path for row in rows for path in (row.image, row.extra.get("mask")) if path is not None]
    missing = [path for path in listed if not (root / path).is_file() and not _is_series(root / path)]
    if missing:
        if any("\\" in path for path in missing):
            advice += " Folders are separated by / here."
        raise RuntimeError(
            f"Cannot find {len(missing)} of {len(listed)} listed files under {root}, such as {missing[:3]}. {advice}"
        )


def listing_checksum(root: Path, rows: Sequence[ImageRow]) -> str:
    """A sha256 over paths, sizes, labels and patients: tells copies apart without reading gigabytes of images."""
    lines = sorted(f"{row.image}\t{_size(root / row.image)}\t{row.label}\t{row.patient}" for row in rows)
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _is_series(path: Path) -> bool:
    return path.is_dir() and any(dicom_files(path))


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (dicom_files(path) if path.is_dir() else [path]))


def sections_of(
    rows: Sequence[ImageRow], labels: Sequence[int], val_frac: float, test_frac: float, seed: int
) -> tuple[dict[str, list[int]], str]:
    """The row indices of every section, and the rule in words.

    A given split is used as it is; where it has no validation part, one is split off training. Without a split one
    is drawn. Either draw is by patient where patients are known, else stratified by image (:mod:`.splits`).

    Raises:
        ValueError: for an unknown split name, a patient in two sections, or fractions out of range.

    Example:
        >>> rows = [ImageRow(f"{i}.png", "a", f"row {i}", split="train" if i < 8 else "test") for i in range(10)]
        >>> sections, rule = sections_of(rows, [0] * 10, val_frac=0.25, test_frac=0.25, seed=0)
        >>> {name: len(indices) for name, indices in sections.items()}
        {'training': 6, 'validation': 2, 'test': 2}
    """
    if all(row.split is None for row in rows):
        fractions = {"training": 1 - val_frac - test_frac, "validation": val_frac, "test": test_frac}
        drawn, how = _drawn(rows, labels, list(range(len(rows))), fractions, seed)
        return drawn, f"drawn, training/validation/test {_percent(fractions)}, {how}, seed {seed}"
    sections = _given(rows)
    rule = "as given with the data"
    if not sections["validation"]:
        fractions = {"training": 1 - val_frac, "validation": val_frac}
        drawn, how = _drawn(rows, labels, sections["training"], fractions, seed)
        sections |= drawn
        rule += f"; validation split off training, {_percent(fractions)}, {how}, seed {seed}"
    check_patient_overlap(
        {name: [patient for i in part if (patient := rows[i].patient) is not None] for name, part in sections.items()}
    )
    return sections, rule


def _given(rows: Sequence[ImageRow]) -> dict[str, list[int]]:
    names = [SPLIT_NAMES.get((row.split or "").strip().lower()) for row in rows]
    wrong = [row for row, name in zip(rows, names, strict=True) if name is None]
    if wrong:
        shown = ", ".join(f"{row.split!r} in {row.where}" for row in wrong[:5])
        raise ValueError(
            f"{len(wrong)} unknown split(s): expected one of {sorted(SPLIT_NAMES)}, got {shown}; rename them."
        )
    return {
        section: [i for i, name in enumerate(names) if name == section]
        for section in ("training", "validation", "test")
    }


def _drawn(
    rows: Sequence[ImageRow], labels: Sequence[int], part: Sequence[int], fractions: dict[str, float], seed: int
) -> tuple[dict[str, list[int]], str]:
    chosen = [labels[i] for i in part]
    patients = [patient for i in part if (patient := rows[i].patient) is not None]
    if patients:
        drawn, how = patient_split(chosen, patients, fractions, seed), "by patient, balanced by class"
    else:
        drawn, how = stratified_split(chosen, fractions, seed), "by image, stratified by class"
    positions = np.asarray(part, dtype=np.int64)
    return {name: positions[indices].tolist() for name, indices in drawn.items()}, how


def _percent(fractions: dict[str, float]) -> str:
    return "/".join(f"{100 * fraction:g}" for fraction in fractions.values())
