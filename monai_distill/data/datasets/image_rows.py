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

from monai_distill.data.reading.dicom_series import dicom_files

__all__ = [
    "ImageRow",
    "check_files",
    "label_indices",
    "listing_checksum",
    "refuse_empty_cells",
    "sorted_names",
]


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
