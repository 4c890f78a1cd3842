"""The patients that DICOM headers name, as hashes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from monai_distill.data.reading.dicom_head import dicom_head
from monai_distill.data.reading.dicom_series import dicom_files
from monai_distill.data.reading.file_type import NOT_DICOM, file_type
from monai_distill.runtime.progress import with_progress

from .spelling import spelling_key

__all__ = ["HeaderPatients", "header_patients"]


class HeaderPatients(NamedTuple):
    """The patients and studies that the headers of all files name.

    Attributes:
        patients: a hash per file; None where a header names neither patient nor study.
        by_study: whether some are studies, as the header names no patient.
    """

    patients: list[str | None]
    by_study: bool


def header_patients(paths: Sequence[Path]) -> HeaderPatients | None:
    """The patient of every DICOM file; None where no file is DICOM.

    The hash is of ``PatientID`` and its issuer, else of ``StudyInstanceUID``; identifiers are never stored in clear.
    Spellings such as 7 and 007 count as one patient, whose images then stay in one section.
    A hash of a short identifier can be guessed, so it is not released either.

    Args:
        paths: of files, or of folders with the slices of one series.

    Example:
        >>> header_patients([Path("a.png")]) is None
        True
    """
    candidates = [path for path in paths if not path.name.lower().endswith(NOT_DICOM)]
    if not candidates:
        return None
    known = {path: _identity(path) for path in with_progress(candidates, len(candidates), "reading DICOM headers")}
    if not any(is_file for is_file, _, _ in known.values()):
        return None
    patients = [known[path][1] if path in known else None for path in paths]
    return HeaderPatients(patients, any(is_study for _, _, is_study in known.values()))


def _identity(path: Path) -> tuple[bool, str | None, bool]:
    """Whether it is DICOM, the hash, and whether that is of a study."""
    file = next(iter(dicom_files(path)), None) if path.is_dir() else path
    head = None if file is None else dicom_head(file)
    if head is None:
        return file is not None and file_type(file) == "DICOM", None, False
    patient, issuer, study = head.patient
    if patient:
        return True, _hash(f"patient {issuer} {spelling_key(patient)}"), False
    return True, _hash(f"study {study}") if study else None, bool(study)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
