"""A folder of DICOM slices as one volume: which files, in which order, how far apart, and which way up."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nibabel.orientations import io_orientation, ornt2axcodes

from .dicom_file import dicom_dataset, dicom_header, stored_dicom
from .dicom_head import dicom_head
from .file_type import file_type
from .nifti_file import oriented, oriented_axes
from .stored_image import FileHeader, StoredImage

__all__ = ["DicomSeries", "dicom_files", "series_header", "stored_series"]

TOLERANCE = 0.01  # of the distance between slices; scanners round


@dataclass(frozen=True)
class DicomSeries:
    """The files of one series in the order of their slices; made by :meth:`of`.

    MONAI's reader takes the slices by their number and measures along the z axis alone. Here the slices are ordered,
    and their distance is measured, along their normal (DICOM PS3.3, C.7.6.2.1.1), so that sagittal and tilted series
    come out right too, and a missing slice is reported. Where no position is known, the slice numbers decide.

    Args:
        files: of the slices, in order.
        shape: rows, columns, slices.
        spacing: millimeters per row, column and slice; None when it is not known.
        affine: [4, 4], directions of rows, columns and slices in RAS; None when they are not known.

    Example:
        >>> DicomSeries.of("scans/series_12").shape  # doctest: +SKIP
        (512, 512, 84)
    """

    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] | None
    affine: np.ndarray[Any, Any] | None = None

    @classmethod
    def of(cls, folder: str | Path) -> DicomSeries:
        """Read the headers of a folder.

        Raises:
            ValueError: when the folder holds no DICOM slices, or several series, or slices that differ in size, spacing
                or direction, lie in one place, or are not equally far apart.
        """
        folder = Path(folder)
        heads = {path: dicom_dataset(str(path), stop_before_pixels=True) for path in dicom_files(folder)}
        if not heads:
            raise ValueError(f"Expected a folder with the DICOM slices of one series, got none in {folder.name}.")
        series = {str(head.get("SeriesInstanceUID", "")) for head in heads.values()}
        if len(series) > 1:
            raise ValueError(
                f"Expected one series per folder, got {len(series)} in {folder.name}; make a folder for each."
            )
        for name in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
            _require_equal(name, [head.get(name) for head in heads.values()], folder.name)
        by_position = _by_position(heads, folder.name)
        ordered, gap = by_position or _by_number(heads, folder.name)
        first = heads[ordered[0]]
        within = first.get("PixelSpacing")
        spacing = None if within is None or gap is None else (float(within[0]), float(within[1]), gap)
        affine = None if by_position is None else _affine(first.ImageOrientationPatient)
        return cls(tuple(ordered), (int(first.Rows), int(first.Columns), len(ordered)), spacing, affine)


def stored_series(folder: str, orientation: str | None = "RAS") -> StoredImage:
    """The slices of a folder as one volume [C, \\*spatial], its axes brought to ``orientation`` where it is known.

    Raises:
        ValueError: as :meth:`DicomSeries.of`; when slices differ in the kind of their values; when a file has frames.
    """
    series = DicomSeries.of(folder)
    slices = [stored_dicom(str(file)) for file in series.files]
    _require_one_kind([(part.header.values, part.is_inverted) for part in slices], Path(folder).name)
    values = torch.stack([part.values for part in slices], dim=-1)
    padding = None
    if any(part.padding is not None for part in slices):
        whole = torch.zeros(values.shape[1:-1], dtype=torch.bool)
        padding = torch.stack([whole if part.padding is None else part.padding for part in slices], dim=-1)
    if series.affine is not None:
        values = oriented(values, series.affine, orientation)
        padding = None if padding is None else oriented(padding[None].float(), series.affine, orientation)[0] > 0
    header = _header(series, slices[0].header, orientation)
    return StoredImage(values, header, slices[0].full_range, slices[0].is_inverted, padding)


def series_header(folder: str, orientation: str | None = "RAS") -> FileHeader:
    """The facts of a series; see :func:`~.stored_image.file_header`."""
    series = DicomSeries.of(folder)
    return _header(series, dicom_header(str(series.files[0])), orientation)


def _header(series: DicomSeries, first: FileHeader, orientation: str | None) -> FileHeader:
    axes, codes = [0, 1, 2], None
    if series.affine is not None:
        axes = oriented_axes(series.affine, orientation)
        codes = "".join(ornt2axcodes(io_orientation(series.affine)))
    spacing = None if series.spacing is None else tuple(series.spacing[axis] for axis in axes)
    return FileHeader(tuple(series.shape[axis] for axis in axes), first.values, spacing, codes)


def _affine(directions: Sequence[float]) -> np.ndarray[Any, Any]:
    along = np.asarray(directions, float)
    affine = np.eye(4)
    # the first axis of an array runs along a column; slices are ordered along the normal; DICOM says LPS
    affine[:3, :3] = np.stack([along[3:], along[:3], np.cross(along[:3], along[3:])], axis=1)
    affine[:2] *= -1
    return affine


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files that lie in ``folder`` itself, sorted, whatever their names.

    Files without a picture, such as DICOMDIR or a report, are left out. Damaged ones are not: reading names them.
    """
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and file_type(path) == "DICOM")
    return [path for path in files if (head := dicom_head(path)) is None or not head.document]


def _by_position(heads: dict[Path, Any], name: str) -> tuple[list[Path], float | None] | None:
    directions = next(iter(heads.values())).get("ImageOrientationPatient")
    positions = [head.get("ImagePositionPatient") for head in heads.values()]
    if directions is None or any(position is None for position in positions):
        return None
    along = np.asarray(directions, float)
    depths = np.asarray(positions, float) @ np.cross(along[:3], along[3:])
    order = np.argsort(depths)
    gaps = np.diff(depths[order])
    if len(gaps) and (gaps.min() <= 0 or gaps.max() - gaps.min() > TOLERANCE * gaps.mean()):
        raise ValueError(
            f"Expected slices that are equally far apart, got {gaps.min():g} to {gaps.max():g} mm in {name}: a slice "
            "is missing or repeated. Complete the series, or make it a NIfTI volume of equal slices."
        )
    files = list(heads)
    return [files[i] for i in order], float(gaps.mean()) if len(gaps) else None


def _by_number(heads: dict[Path, Any], name: str) -> tuple[list[Path], float | None]:
    numbers = [head.get("InstanceNumber") for head in heads.values()]
    if any(number is None for number in numbers) or len(set(map(int, numbers))) < len(numbers):
        raise ValueError(
            f"Expected slices that each have a position or a different number, got neither in {name}: their order is "
            "unknown."
        )
    gaps = {head.get("SpacingBetweenSlices") for head in heads.values()}
    gap = gaps.pop() if len(gaps) == 1 else None
    return sorted(heads, key=lambda path: int(heads[path].InstanceNumber)), None if gap is None else float(gap)


def _require_equal(name: str, values: Sequence[Any], folder: str) -> None:
    numbers = [None if value is None else np.atleast_1d(np.asarray(value, float)) for value in values]
    known = [value for value in numbers if value is not None]
    if known and (len(known) < len(numbers) or not all(np.allclose(value, known[0], atol=1e-4) for value in known)):
        raise ValueError(f"Expected slices with one {name}, got several in {folder}; move files that are no slices.")


def _require_one_kind(kinds: Sequence[Any], folder: str) -> None:
    if len(set(kinds)) > 1:
        raise ValueError(f"Expected slices with one kind of values, got {sorted(set(kinds))} in {folder}.")
