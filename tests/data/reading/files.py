"""Files of pydicom and nibabel, and writers of what their packages and Pillow do not write."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import torch
from nibabel.testing import data_path
from pydicom.data import get_testdata_file

from monai_distill.data.reading import FileToImaged


def read(path: str | Path, **options: Any) -> np.ndarray:
    image: torch.Tensor = FileToImaged(**options)({"image": str(path)})["image"]
    return image.numpy()


def stretched(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    return (values - values.min()) / (values.max() - values.min())


def dicom_file(name: str) -> Path:
    """One of the files that pydicom ships; none is downloaded."""
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return Path(path)


def changed_dicom(folder: Path, name: str, change: Callable[[Any], object], to: str = "a.dcm") -> Path:
    dataset = pydicom.dcmread(dicom_file(name))
    change(dataset)
    dataset.save_as(folder / to)
    return folder / to


def nibabel_file(name: str) -> Path:
    return Path(data_path) / name


def reoriented(image: Any, codes: str, path: Path) -> Path:
    """The same volume, stored with its axes in the directions ``codes``."""
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    nibabel.save(image.as_reoriented(turn), path)
    return path


def write_png16(path: Path, array: np.ndarray) -> Path:
    """[H, W, 2 to 4], uint16: gray with alpha, RGB or RGBA, which Pillow does not write."""
    rows, columns, channels = array.shape
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", columns, rows, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    packed = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + packed)
    return path
