"""The patients that DICOM headers name, as hashes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from monai_distill.data.reading.dicom_head import dicom_head
from monai_distill.data.reading.dicom_series import dicom_files
from monai_distill.data.reading.file_type import NOT_DICOM, file_type
from monai_distill.runtime.progress import with_progress

from .image_rows import ImageRow
from .spelling import spelling_key

__all__ = ["HeaderPatients", "RowPatients", "header_patients", "rows_with_header_patients"]

_HEADERS_WAY_OUT = (
    "Name patients in a column of a table (patient_column); if the headers hold a placeholder, give "
    "--dicom_patients false, and a split is drawn by image."
)


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


class RowPatients(NamedTuple):
    """Rows with the patients of their headers.

    Attributes:
        rows: with patients, or as they were where headers say nothing better.
        note: a sentence on who the patients are; empty where the rows are as they were.
        unused: what may name patients and is not used.
    """

    rows: list[ImageRow]
    note: str = ""
    unused: tuple[str, ...] = ()


def rows_with_header_patients(root: Path, rows: list[ImageRow]) -> RowPatients:
    """The rows with the patients of the DICOM headers, unless the rows name patients better.

    Args:
        root: the folder that paths are relative to.
        rows: with the patients that folders name, or without any.

    Raises:
        ValueError: if only some headers name a patient, or all name one.

    Example:
        >>> rows_with_header_patients(Path(), [ImageRow("a.png", "cat", "row 2")]).note
        ''
    """
    headers = header_patients([root / row.image for row in rows])
    by_folder = all(row.patient is not None for row in rows)
    if headers is None or not any(headers.patients) or (by_folder and len(set(headers.patients)) == 1):
        return RowPatients(rows)
    without = [row.image for row, patient in zip(rows, headers.patients, strict=True) if patient is None]
    if without and by_folder:
        return RowPatients(rows)
    if without:
        raise ValueError(
            f"{len(without)} of {len(rows)} files name no patient in a DICOM header, such as {without[:3]}, "
            f"expected all or none. {_HEADERS_WAY_OUT}"
        )
    count = len(set(headers.patients))
    if count == 1 and len(rows) > 1:
        raise ValueError(
            f"The DICOM headers of all {len(rows)} images name one patient, expected several: images of one "
            f"patient in training and test measure nothing. {_HEADERS_WAY_OUT}"
        )
    unit = "studies" if headers.by_study else "patients"
    note = f"{unit} are those of the DICOM headers ({count}); their identifiers are hashed"
    unused = ("DICOM headers without PatientID, of which only the study is known",) * headers.by_study
    named = [replace(row, patient=patient) for row, patient in zip(rows, headers.patients, strict=True)]
    return RowPatients(named, f"{note}; for placeholders give --dicom_patients false", unused)


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
