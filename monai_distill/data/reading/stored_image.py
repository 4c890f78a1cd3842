"""An image as a file stores it, and the facts of its header: one door to every file type."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from torch import Tensor

from .file_type import IMAGE_SUFFIXES, file_type

__all__ = ["FileHeader", "StoredImage", "ValueKind", "cached_header", "file_header", "stored_image"]

ValueKind = Literal["8-bit", "hounsfield", "rescaled", "stored"]
"""How the numbers of a file become [0, 1]: ``8-bit``, integers whose full range is known and divides them;
``hounsfield``, CT in Hounsfield units; ``rescaled``, DICOM after a modality transformation to other units; ``stored``,
integers of more than 8 bits and floating point numbers without a unit."""


@dataclass(frozen=True)
class FileHeader:
    """The header of an image file, read before its pixels.

    Attributes:
        shape: the spatial shape of the image, in the order of the axes that :func:`stored_image` gives.
        values: the kind of the numbers.
        spacing: millimeters per axis; None where the file does not tell.
        orientation: the direction of every axis of a volume, such as ``"LPS"``, as it is stored; None for a 2D image
            and where the file does not tell.
        has_alpha: whether a picture stores how opaque its pixels are, which is left out.
    """

    shape: tuple[int, ...]
    values: ValueKind
    spacing: tuple[float, ...] | None = None
    orientation: str | None = None
    has_alpha: bool = False


@dataclass(frozen=True)
class StoredImage:
    """The values of a file.

    Attributes:
        values: [C, \\*spatial], float32, in the units of the file.
        header: the facts of the header, for these axes.
        full_range: the largest value that the file can store, where ``header.values`` is ``"8-bit"``.
        is_inverted: whether small values are bright.
        padding: [\\*spatial], bool, True where the file has no image; None where the image is whole.
    """

    values: Tensor
    header: FileHeader
    full_range: float = 255.0
    is_inverted: bool = False
    padding: Tensor | None = None


def stored_image(path: str, orientation: str | None = "RAS") -> StoredImage:
    """The values of a file, or of a folder with the slices of one DICOM series.

    Args:
        path: of the file or folder.
        orientation: the directions that the axes of a volume are brought to; None leaves them as they are stored.

    Raises:
        ValueError: when it is another type of file, or holds neither a 2D image nor a 3D volume.
    """
    from . import dicom_file, dicom_series, nifti_file, picture_file  # these import the classes above

    if os.path.isdir(path):  # noqa: PTH112 - pathlib takes longer than Pillow takes for a small picture's header
        return dicom_series.stored_series(path, orientation)
    kind = _known_type(path)
    if kind == "NIfTI":
        return nifti_file.stored_nifti(path, orientation)
    return dicom_file.stored_dicom(path) if kind == "DICOM" else picture_file.stored_picture(path)


def file_header(path: str, orientation: str | None = "RAS") -> FileHeader:
    """The facts of a header, for the axes that :func:`stored_image` gives; ``orientation`` is the one of the file.

    NIfTI without a unit counts as millimeters, unless it says 1 along every axis, which is what a header says that
    nobody filled in. DICOM gives the spacing in the patient (``PixelSpacing``), not the one at the detector.

    Args:
        path: of the file or folder.
        orientation: as :func:`stored_image`.

    Raises:
        ValueError: as :func:`stored_image`.
    """
    from . import dicom_file, dicom_series, nifti_file, picture_file

    if os.path.isdir(path):  # noqa: PTH112 - as above
        return dicom_series.series_header(path, orientation)
    kind = _known_type(path)
    if kind == "NIfTI":
        return nifti_file.nifti_header(path, orientation)
    return dicom_file.dicom_header(path) if kind == "DICOM" else picture_file.picture_header(path)


def cached_header(path: str, orientation: str | None = "RAS") -> FileHeader:
    """:func:`file_header`; that of a file which has not changed is read once in a process.

    Raises:
        ValueError: as :func:`stored_image`.
        OSError: if there is no such file.
    """
    facts = os.stat(path)  # noqa: PTH116 - as above
    if stat.S_ISDIR(facts.st_mode):
        return file_header(path, orientation)
    return _header(path, orientation, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=2**17)
def _header(path: str, orientation: str | None, _time: int, _size: int) -> FileHeader:
    # the three sections of a data set read the same headers
    return file_header(path, orientation)


def _known_type(path: str) -> str:
    kind = file_type(path)
    if kind is None:
        raise ValueError(
            f"unsupported file type {Path(path).suffix!r}, available are {list(IMAGE_SUFFIXES)}; convert the file."
        )
    return kind
