"""A folder of DICOM slices as one volume: which files, in which order, how far apart."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.misc import is_dicom

__all__ = ["DicomSeries", "dicom_files"]

EQUAL = 0.01  # of the distance between slices; scanners round


@dataclass(frozen=True)
class DicomSeries:
    """The files of one series in the order of their slices; made by :meth:`of`.

    MONAI's reader takes the slices by their number and measures along the z axis alone; here they are ordered, and
    their distance measured, along the normal of the slices (DICOM PS3.3, C.7.6.2.1.1), so that sagittal and tilted
    series come out right too, and a missing slice is told of. Where positions are not known the numbers have to do.

    Args:
        files: of the slices, in order.
        shape: rows, columns, slices.
        spacing: millimetres per row, column and slice; None when it is not known.

    Example:
        >>> DicomSeries.of("scans/series_12").shape  # doctest: +SKIP
        (512, 512, 84)
    """

    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] | None

    @classmethod
    def of(cls, folder: str | Path) -> DicomSeries:
        """Read the headers of a folder.

        Raises:
            ValueError: when the folder holds no DICOM slices, or several series, or slices that differ in size, spacing
                or direction, lie in one place, or are not equally far apart.
        """
        folder = Path(folder)
        heads = {path: pydicom.dcmread(path, stop_before_pixels=True) for path in dicom_files(folder)}
        if not heads:
            raise ValueError(f"Expected a folder with the DICOM slices of one series, got none in {folder.name}.")
        series = {str(head.get("SeriesInstanceUID", "")) for head in heads.values()}
        if len(series) > 1:
            raise ValueError(f"Expected one series a folder, got {len(series)} in {folder.name}; move them apart.")
        for name in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
            _require_alike(name, [head.get(name) for head in heads.values()], folder.name)
        ordered, gap = _by_position(heads, folder.name) or _by_number(heads, folder.name)
        first = heads[ordered[0]]
        within = first.get("PixelSpacing")
        spacing = None if within is None or gap is None else (float(within[0]), float(within[1]), gap)
        return cls(tuple(ordered), (int(first.Rows), int(first.Columns), len(ordered)), spacing)


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files that lie in ``folder`` itself, sorted, whatever their suffix; an index of a disk is none."""
    return [
        path for path in sorted(folder.iterdir()) if path.is_file() and path.name != "DICOMDIR" and is_dicom(str(path))
    ]


def _by_position(heads: dict[Path, Any], name: str) -> tuple[list[Path], float | None] | None:
    directions = next(iter(heads.values())).get("ImageOrientationPatient")
    positions = [head.get("ImagePositionPatient") for head in heads.values()]
    if directions is None or any(position is None for position in positions):
        return None
    along = np.asarray(directions, float)
    depths = np.asarray(positions, float) @ np.cross(along[:3], along[3:])
    order = np.argsort(depths)
    gaps = np.diff(depths[order])
    if len(gaps) and (gaps.min() <= 0 or gaps.max() - gaps.min() > EQUAL * gaps.mean()):
        raise ValueError(
            f"Expected slices that are equally far apart, got {gaps.min():g} to {gaps.max():g} mm in {name}: a slice "
            "is missing or there twice. Complete the series, or make it a NIfTI volume of equal slices."
        )
    files = list(heads)
    return [files[i] for i in order], float(gaps.mean()) if len(gaps) else None


def _by_number(heads: dict[Path, Any], name: str) -> tuple[list[Path], float | None]:
    numbers = [head.get("InstanceNumber") for head in heads.values()]
    if any(number is None for number in numbers) or len(set(map(int, numbers))) < len(numbers):
        raise ValueError(
            f"Expected slices with a position, or each with a number of its own, got neither in {name}; their order is "
            "not known."
        )
    gaps = {head.get("SpacingBetweenSlices") for head in heads.values()}
    gap = gaps.pop() if len(gaps) == 1 else None
    return sorted(heads, key=lambda path: int(heads[path].InstanceNumber)), None if gap is None else float(gap)


def _require_alike(name: str, values: Sequence[Any], folder: str) -> None:
    numbers = [None if value is None else np.atleast_1d(np.asarray(value, float)) for value in values]
    known = [value for value in numbers if value is not None]
    if known and (len(known) < len(numbers) or not all(np.allclose(value, known[0], atol=1e-4) for value in known)):
        raise ValueError(f"Expected slices of one {name}, got several in {folder}; move what is no slice elsewhere.")
