"""The facts of a DICOM file that decide whether it is read and whose it is, read once per file."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pydicom
from pydicom.errors import InvalidDicomError

from .file_type import NOT_DICOM, file_type

__all__ = ["DicomHead", "dicom_head", "modality_of", "without_picture"]

# pixels that are no picture of a patient: labels of structures, and doses
_NO_PICTURE = ("segmentation", "rt dose", "label map", "surface", "parametric map", "real world value")
_PICTURE_TAGS = ("Rows", "Columns", "PhotometricInterpretation")
_PATIENT_TAGS = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")


class DicomHead(NamedTuple):
    """The facts of one file.

    Attributes:
        modality: such as ``CR``; empty where the file does not tell.
        document: the content of a file without a picture, such as ``Basic Text SR Storage (SR)``; None for a picture.
        patient: ``PatientID``, its issuer and ``StudyInstanceUID`` in clear: for hashing only.
    """

    modality: str
    document: str | None
    patient: tuple[str, str, str]


def dicom_head(path: Path) -> DicomHead | None:
    """The facts of a file; None when it is not DICOM, or its header is damaged.

    Example:
        >>> dicom_head(Path("a.png")) is None
        True
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return _head(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=200_000)  # three sections of one data set read the same headers
def _head(file: str, size: int, modified: int) -> DicomHead | None:
    if file_type(file) != "DICOM":
        return None
    tags = [*_PICTURE_TAGS, *_PATIENT_TAGS, "Modality", "SOPClassUID"]
    try:
        head = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags, force=True)
        patient, issuer, study = (str(head.get(tag) or "").strip() for tag in _PATIENT_TAGS)
        modality = str(head.get("Modality") or "").strip()
        return DicomHead(modality, without_picture(head), (patient, issuer, study))
    except (InvalidDicomError, OSError, ValueError, AttributeError, NotImplementedError):
        return None  # reading the image names the file and the fault


def modality_of(path: Path) -> str:
    """The modality of a file, or of the first file of a folder; empty where it is not DICOM or does not tell.

    Example:
        >>> modality_of(Path("a.png"))
        ''
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    heads = (dicom_head(file) for file in files if not file.name.lower().endswith(NOT_DICOM))
    return next((head.modality for head in heads if head is not None and not head.document), "")


def without_picture(head: Any) -> str | None:
    """The content of a pydicom data set that holds no picture, empty where it does not tell; None for a picture."""
    kind, modality = str(getattr(head.get("SOPClassUID"), "name", "")), str(head.get("Modality") or "")
    is_marked = any(word in kind.lower() for word in _NO_PICTURE) or modality in ("SEG", "RTDOSE")
    if all(tag in head for tag in _PICTURE_TAGS) and not is_marked:
        return None
    if not kind and getattr(head, "file_meta", None):  # an index of a medium names its kind there only
        kind = str(getattr(head.file_meta.get("MediaStorageSOPClassUID"), "name", ""))
    if not (kind or modality or getattr(head, "file_meta", None)):
        return ""
    if kind.startswith("Media Storage Directory"):
        return "DICOMDIR index"
    kind = f"{kind} without pixels" if "Image" in kind else kind or "no pixels and no known kind"
    return f"{kind} ({modality})" if modality else kind
