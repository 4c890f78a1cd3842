"""From the paths that a table lists to files on this disk."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import logging
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from monai_distill.data.reading.dicom_series import dicom_files
from monai_distill.runtime.progress import MANY, with_progress

from .image_rows import ImageRow

__all__ = ["found_rows", "listing_checksum"]

logger = logging.getLogger(__name__)


def found_rows(root: Path, rows: Sequence[ImageRow], advice: str) -> tuple[list[ImageRow], list[str]]:
    """The rows with paths of files that exist, and notes about paths that were read in another spelling.

    A path that does not exist is read with ``/`` for ``\\\\``, in the case and Unicode form of the disk and with the
    suffix of the file, where exactly one file fits.

    Args:
        root: the folder that the paths are relative to.
        rows: the rows.
        advice: where to get the data.

    Raises:
        ValueError: if an image is listed twice; it could fall into two sections.
        RuntimeError: if files are missing; states how many and names three.
    """
    if len(rows) >= MANY:  # the steps that follow may each be too short for a sign of progress
        logger.info("Data: %d files in %s; their sizes and headers are read.", len(rows), root)
    names = _Names()
    spelled, missing = [], []
    for row in with_progress(rows, len(rows), "looking for the listed files"):
        image = _existing(root, row.image, names)
        mask = row.extra.get("mask")
        missing += [path for path in (row.image if image is None else None, mask) if path and not _exists(root / path)]
        spelled.append(row if image is None else replace(row, image=image))
    if missing:
        total = len(rows) + sum("mask" in row.extra for row in rows)
        raise RuntimeError(
            f"Cannot find {len(missing)} of {total} listed files under {root}, such as {missing[:3]}. "
            f"{advice}{_hint(root, missing[0], names)}"
        )
    _refuse_repeated(root, spelled)
    changed = [(old.image, new.image) for old, new in zip(rows, spelled, strict=True) if old.image != new.image]
    if not changed:
        return spelled, []
    return spelled, [
        f"{len(changed)} path(s) were read in another spelling, such as {changed[0][1]} for {changed[0][0]}"
    ]


class _Names:
    """The names in folders, by what different spellings of a name share; every folder is listed once."""

    def __init__(self) -> None:
        self.of = cache(self._of)

    def _of(self, folder: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        whole: dict[str, list[str]] = defaultdict(list)
        stems: dict[str, list[str]] = defaultdict(list)
        for name in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []:
            whole[_folded(name)].append(name)
            stems[_folded(re.sub(r"(\.nii)?\.[^.]*$", "", name))].append(name)
        return whole, stems


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _existing(root: Path, path: str, names: _Names) -> str | None:
    if _exists(root / path):
        return path
    parts = path.replace("\\", "/").split("/")
    if re.match(r"[A-Za-z]:$|[a-z]+:$", parts[0]) or parts[0] == "":
        return None  # an address, or the path of another machine
    place, read = root, []
    for position, part in enumerate(parts):
        if part in ("", "."):
            continue
        whole, stems = names.of(place)
        fitting = [part] if (place / part).exists() else whole.get(_folded(part), [])
        if not fitting and position == len(parts) - 1:
            fitting = stems.get(_folded(part), [])
        if len(fitting) != 1:
            return None
        read.append(fitting[0])
        place = place / fitting[0]
    return "/".join(read) if _exists(place) else None


def _exists(path: Path) -> bool:
    try:
        return path.is_file() or (path.is_dir() and any(dicom_files(path)))
    except (OSError, ValueError):  # a name that no file can have
        return False


def _hint(root: Path, path: str, names: _Names) -> str:
    if re.match(r"[a-z]+://", path):
        return " An address of the web is no file: download the images first."
    if re.match(r"[A-Za-z]:[\\/]", path) or path.startswith(("/", "\\\\")):
        return f" {path} is a path of a whole disk: write paths relative to {root}."
    name = path.replace("\\", "/").rpartition("/")[2]
    elsewhere = sorted(root.glob(f"*/{_escaped(name)}*"))[:1] if name else []
    close = names.of((root / path).parent)[1].get(_folded(name), [])
    if len(close) > 1:
        return f" Several files fit {path}: {close[:3]}; write the suffix."
    if elsewhere:
        return f" Did you mean {elsewhere[0].relative_to(root).as_posix()}?"
    return " Folders are separated by / here." if "\\" in path else ""


def _escaped(name: str) -> str:
    """``name`` for a pattern in which it stands for itself."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def _refuse_repeated(root: Path, rows: Sequence[ImageRow]) -> None:
    seen: dict[str, ImageRow] = {}
    for row in rows:
        path = os.path.normpath(root / row.image)  # a.png and ./a.png are one image
        if path in seen:
            labels = {seen[path].label, row.label}
            both = f", with the labels {' and '.join(map(repr, sorted(labels)))}" if len(labels) > 1 else ""
            counts = Counter(os.path.normpath(root / row.image) for row in rows)
            more = sum(count > 1 for count in counts.values()) - 1
            raise ValueError(
                f"{row.image} is listed twice, expected once: {seen[path].where} and {row.where}{both}; remove one"
                f"{f' ({more} more images are listed twice)' * bool(more)}."
            )
        seen[path] = row


def listing_checksum(root: Path, rows: Sequence[ImageRow]) -> str:
    """A sha256 over paths, sizes, labels and patients: distinguishes copies without reading gigabytes of images."""
    listed = with_progress(rows, len(rows), "reading the sizes of the files")
    lines = sorted(f"{row.image}\t{_size(root / row.image)}\t{row.label}\t{row.patient}" for row in listed)
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (dicom_files(path) if path.is_dir() else [path]))
