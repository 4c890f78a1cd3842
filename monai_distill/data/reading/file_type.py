"""The type of a file by its content, and by its suffix where the content does not say."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import zlib
from os import PathLike
from typing import Literal

__all__ = ["IMAGE_SUFFIXES", "NOT_DICOM", "FileType", "file_type", "is_image_file"]

FileType = Literal["picture", "DICOM", "NIfTI"]

_PICTURE = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_DICOM = (".dcm", ".dicom", ".ima")
_NIFTI = (".nii", ".nii.gz")
NOT_DICOM = (*_PICTURE, *_NIFTI)
IMAGE_SUFFIXES = (*_PICTURE, *_DICOM, *_NIFTI)

_PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEADER_BYTES = 352  # of NIfTI-1, the longest header that is looked at


def file_type(path: str | PathLike[str]) -> FileType | None:
    """The type of an image file; None for a file that is no image of a known type.

    The content decides: exports of a PACS have names without a suffix, names that are UIDs, or ``.IMA``. The suffix
    decides where the content has no mark, as DICOM without a preamble and BMP.

    Args:
        path: of a file that exists or not; a file that cannot be opened has the type of its suffix.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (2, 2)).save(f"{folder}/1.2.840.0", format="PNG")
        ...     file_type(f"{folder}/1.2.840.0"), file_type(f"{folder}/a.dcm"), file_type(f"{folder}/a.txt")
        ('picture', 'DICOM', None)
    """
    return _type_of_content(_start(path)) or _type_of_suffix(str(path).lower())


def is_image_file(path: str | PathLike[str]) -> bool:
    """Whether a file is an image of a known type; opens only files whose suffix is not a known one.

    Example:
        >>> is_image_file("scans/a.nii.gz"), is_image_file("scans/README.md")
        (True, False)
    """
    return str(path).lower().endswith(IMAGE_SUFFIXES) or file_type(path) is not None


def _start(path: str | PathLike[str]) -> bytes:
    try:
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - pathlib takes twice as long
            start = stream.read(_HEADER_BYTES)
        if start[:2] == b"\x1f\x8b":
            with gzip.open(path) as unpacked:
                start = unpacked.read(_HEADER_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""
    return start


def _type_of_content(start: bytes) -> FileType | None:
    if start[128:132] == b"DICM":
        return "DICOM"
    if start[344:348] == b"n+1\0" or start[4:8] == b"n+2\0":
        return "NIfTI"
    return "picture" if start.startswith(_PICTURE_STARTS) else None


def _type_of_suffix(name: str) -> FileType | None:
    if name.endswith(_PICTURE):
        return "picture"
    if name.endswith(_DICOM):
        return "DICOM"
    return "NIfTI" if name.endswith(_NIFTI) else None
