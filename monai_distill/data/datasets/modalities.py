"""The DICOM modalities of the images of a data set: which are read, and the rows that hold no picture."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from monai_distill.data.reading.dicom_head import dicom_head, modality_of
from monai_distill.runtime.progress import with_progress

from .folder_listing import other_kind
from .image_rows import ImageRow

__all__ = ["counted", "refuse_documents", "rows_of_modalities"]


def rows_of_modalities(
    root: Path, rows: Sequence[ImageRow], chosen: Sequence[str] | None
) -> tuple[list[ImageRow], Counter[str]]:
    """The rows whose image has one of the chosen modalities, and the counts of all rows or of the others.

    Args:
        root: the folder that paths are relative to.
        rows: of images.
        chosen: names in capitals; None keeps every row.

    Returns:
        The rows, and the counts by kind, such as ``of modality CR`` or ``without a modality``: of all rows without a
        choice, of the rows that are left out otherwise.

    Raises:
        ValueError: if no image has a chosen modality.

    Example:
        >>> rows_of_modalities(Path(), [ImageRow("a.png", "cat", "row 2")], None)[1]
        Counter({'without a modality': 1})
    """
    progress = with_progress(rows, len(rows), "reading DICOM headers")
    kinds = [_kind(root / row.image) for row in progress]
    counts = Counter(kinds)
    if chosen is None:
        return list(rows), counts
    names = [f"of modality {name}" for name in chosen]
    kept = [row for row, kind in zip(rows, kinds, strict=True) if kind in names]
    if not kept:
        raise ValueError(
            f"Expected images of the modalities {list(chosen)}, got {counted(counts)}; correct --modalities."
        )
    return kept, Counter({kind: count for kind, count in counts.items() if kind not in names})


def _kind(path: Path) -> str:
    if path.is_file() and (other := other_kind(path)):
        return other
    modality = modality_of(path)
    return f"of modality {modality}" if modality else "without a modality"


def refuse_documents(root: Path, rows: Sequence[ImageRow]) -> None:
    """Refuse rows that name DICOM files without a picture.

    Raises:
        ValueError: with the count and the first rows of every kind.
    """
    kinds: dict[str, list[ImageRow]] = {}
    for row in rows:
        head = dicom_head(path) if (path := root / row.image).is_file() else None
        if head is not None and head.document:
            kinds.setdefault(head.document, []).append(row)
    if kinds:
        shown = "; ".join(f"{len(found)} {kind}, such as {found[0].where}" for kind, found in sorted(kinds.items()))
        total = sum(map(len, kinds.values()))
        raise ValueError(f"{total} row(s) name DICOM files without a picture, expected images: {shown}; take them out.")


def counted(counts: Counter[str]) -> str:
    """The counts as words.

    Example:
        >>> counted(Counter({"of modality DX": 2, "without a modality": 1}))
        '2 of modality DX, 1 without a modality'
    """
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
