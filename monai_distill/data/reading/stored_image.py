"""Image files as they are stored, through MONAI's own readers: values, and the size of a voxel."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import torch
from monai.data import NibabelReader, PILReader, PydicomReader
from torch import Tensor

from .dicom_series import DicomSeries

__all__ = ["IMAGE_SUFFIXES", "stored_grid", "stored_image"]

_PIL = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_DICOM = (".dcm", ".dicom")
_NIFTI = (".nii", ".nii.gz")
IMAGE_SUFFIXES = (*_PIL, *_DICOM, *_NIFTI)
_MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


def stored_image(path: str) -> tuple[Tensor, bool, bool]:
    """The stored values [C, *spatial], float32; whether they are bytes; whether small values are bright.

    Args:
        path: of a file, or of a folder with the slices of one DICOM series.

    Raises:
        ValueError: for another type of file, or when it holds neither a 2D image nor a 3D volume.
    """
    if Path(path).is_dir():
        slices = [_read(_DICOMReader(swap_ij=False, prune_metadata=False), str(f), ".dcm") for f in _slices(path)]
        _, is_byte, inverted = slices[0]
        return torch.stack([values for values, _, _ in slices], dim=-1), is_byte, inverted
    return _read(_reader(path), path, _suffix(path))


def stored_grid(path: str) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """The spatial shape that :func:`stored_image` gives, and the millimetres per axis where the file tells them.

    NIfTI without a unit counts as millimetres, unless it says 1 along every axis, which is what a header says that
    nobody filled in. Of DICOM the spacing in the patient is taken (``PixelSpacing``), not that at the detector.
    """
    if Path(path).is_dir():
        series = DicomSeries.of(path)
        return series.shape, series.spacing
    if _suffix(path) in _NIFTI:
        return _nifti_grid(path)
    if _suffix(path) in _DICOM:
        head = pydicom.dcmread(path, stop_before_pixels=True)
        within = head.get("PixelSpacing") if int(head.get("NumberOfFrames", 1)) == 1 else None
        return (int(head.Rows), int(head.Columns)), None if within is None else (float(within[0]), float(within[1]))
    return (), None


def _nifti_grid(path: str) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    header = nibabel.load(path).header
    shape, unit = header.get_data_shape()[:3], header.get_xyzt_units()[0]
    sides = [float(side) * _MILLIMETRES.get(unit, 1.0) for side in header.get_zooms()[:3]]
    if len(shape) == 3 and shape[2] == 1:
        shape, sides = shape[:2], sides[:2]
    told = all(0 < side < float("inf") for side in sides) and (unit != "unknown" or any(side != 1 for side in sides))
    return tuple(int(side) for side in shape), tuple(sides) if told else None


class _DICOMReader(PydicomReader):  # type: ignore[misc]  # MONAI ships no types
    def _get_affine(self, metadata: dict[str, Any], lps_to_ras: bool = True) -> Any:
        # positions in space are not used here; MONAI would warn for every X-ray that has none
        return np.eye(4)


def _slices(folder: str) -> tuple[Path, ...]:
    return DicomSeries.of(folder).files


def _suffix(path: str) -> str:
    name = path.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def _reader(path: str) -> Any:
    # a new reader for every file: MONAI's readers keep file names in themselves, which threads would mix up
    suffix = _suffix(path)
    if suffix in _PIL:
        return PILReader(converter=_as_grey_or_rgb, reverse_indexing=False)
    if suffix in _DICOM:
        return _DICOMReader(swap_ij=False, prune_metadata=False)
    if suffix in _NIFTI:
        return NibabelReader()
    raise ValueError(f"unsupported file type {suffix!r}, available are {list(IMAGE_SUFFIXES)}; convert the file.")


def _read(reader: Any, path: str, kind: str) -> tuple[Tensor, bool, bool]:
    stored, meta = reader.get_data(reader.read(path))
    # a copy in the machine's own byte order: what the readers give may be read-only or big-endian
    image = torch.from_numpy(np.array(stored, dtype=np.float32))
    if kind in _PIL:
        has_channels = image.ndim == 3
    else:
        has_channels = _tag(meta, "00280002") == 3 if kind in _DICOM else image.ndim > 3
    image = image.movedim(-1, 0) if has_channels else image[None]
    if kind in _NIFTI and image.ndim == 4 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim not in (3, 4):
        raise ValueError(f"expected a 2D image or a 3D volume, got stored shape {np.shape(stored)}.")
    return image, np.asarray(stored).dtype == np.uint8, _tag(meta, "00280004") == "MONOCHROME1"


def _as_grey_or_rgb(image: Any) -> Any:
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise ValueError(f"expected one image in the file, got {frames} pages; store one page, or a volume as NIfTI.")
    try:
        image.load()  # here, so that a truncated file fails as such
    except Exception:
        image.close()
        raise
    grey = {"1": "L", "LA": "L", "La": "L"}
    if image.mode in grey:
        return image.convert(grey[image.mode])
    # palettes, alpha and print colours to RGB; 16-bit and float grey ("I;16", "I", "F") stay as they are
    return (
        image.convert("RGB")
        if image.mode in ("P", "PA", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
        else image
    )


def _tag(meta: Mapping[Any, Any], tag: str) -> Any:
    # DICOM tags are dicts in the meta data of MONAI; other readers have none
    found = meta.get(tag)
    return (found.get("Value") or [None])[0] if isinstance(found, Mapping) else None
