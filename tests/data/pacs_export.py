"""A folder as a PACS exports it: UID names without a suffix, nested, with documents next to the images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from tests.data.conftest import pixels, write_dicom
from tests.data.reading.files import dicom_file

COUNTS = {
    "1": ".txt files",
    "2": "Basic Text SR Storage (SR)",
    "3": "DICOMDIR index",
    "4": "Segmentation Storage (SEG)",
    "5": "of modality CT",
    "6": "of modality OT",  # codespell:ignore ot
}
"""How many files of each kind :func:`write_pacs_export` adds to the radiographs."""


def write_pacs_export(root: Path, patients: int = 8) -> list[str]:
    """``CLASS/PATIENT/STUDY/SERIES/UID``; returns the paths of the radiographs, one for each patient.

    Radiographs are CR and DX, of 16 bits, one of them in RLE. Next to them lie pydicom's own files: slices of CT, color
    pictures in JPEG Lossless, reports, segmentations, and indexes of the medium.
    """
    radiographs = []
    for number in range(2 * patients):
        series = _series(root, number, patients)
        array = pixels(8, 8, seed=number).astype(np.uint16) * 16
        write_dicom(
            series / _uid(number, 1), array, PatientID=f"{7_000_000 + number}", Modality=("CR", "DX")[number % 2]
        )
        radiographs.append((series / _uid(number, 1)).relative_to(root).as_posix())
    first = pydicom.dcmread(root / radiographs[0])
    first.compress(pydicom.uid.RLELossless)
    first.save_as(root / radiographs[0])
    (_series(root, 0, patients).parent / "report.txt").write_text("no finding")
    _copy(root, patients, "reportsi.dcm", 2)
    _copy(root, patients, "liver_1frame.dcm", 4)
    _copy(root, patients, "CT_small.dcm", 5)
    _copy(root, patients, "SC_rgb_jpeg_gdcm.dcm", 6)
    for folder in (root, root / "finding", root / "normal"):
        shutil.copy(dicom_file("dicomdirtests/DICOMDIR"), folder / "DICOMDIR")
    return radiographs


def _uid(*numbers: int) -> str:
    return ".".join(map(str, (1, 2, 840, 99, *numbers)))


def _series(root: Path, number: int, patients: int, series: int = 1) -> Path:
    folder = root / ("finding", "normal")[number // patients] / f"PAT{number:03d}" / _uid(number) / _uid(number, series)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy(root: Path, patients: int, name: str, count: int) -> None:
    dataset: Any = pydicom.dcmread(dicom_file(name))
    for number in range(count):
        dataset.PatientID = f"{7_000_000 + number}"
        dataset.save_as(_series(root, number, patients, 2) / _uid(number, len(name), count))
