"""NIfTI volumes in one orientation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation
from nibabel.orientations import axcodes2ornt, io_orientation, ornt2axcodes, ornt_transform
from torch import Tensor

from .stored_image import FileHeader, StoredImage, ValueKind

__all__ = ["nifti_header", "oriented", "oriented_axes", "stored_nifti"]

_MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
_AXES = (("L", "R"), ("P", "A"), ("I", "S"))


def oriented(values: Tensor, affine: np.ndarray[Any, Any], target: str | None) -> Tensor:
    """A volume [C, X, Y, Z] with its axes brought to ``target`` through MONAI's ``Orientation``.

    Args:
        values: the volume.
        affine: [4, 4], from indices to millimeters in RAS.
        target: three letters such as ``"RAS"``; None returns the volume as it is.
    """
    if target is None:
        return values
    turned = Orientation(axcodes=target, labels=_AXES)(MetaTensor(values, affine=torch.from_numpy(affine.copy())))
    tensor: Tensor = turned.as_tensor()
    return tensor.contiguous()


def oriented_axes(affine: np.ndarray[Any, Any], target: str | None) -> list[int]:
    """The stored axis that becomes each axis of the volume that :func:`oriented` returns."""
    if target is None:
        return [0, 1, 2]
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(target))
    return [int(np.flatnonzero(turn[:, 0] == axis)[0]) for axis in range(3)]


def stored_nifti(path: str, orientation: str | None = "RAS") -> StoredImage:
    """A NIfTI file: [C, \\*spatial]; a volume that is one slice deep along one axis is a 2D image.

    Raises:
        ValueError: when the values are complex, or the file holds neither a 2D image nor a 3D volume.
    """
    image = _loaded(path)
    header = _header(image, orientation)
    stored = _with_channels_first(np.asanyarray(image.dataobj))
    values = torch.from_numpy(np.array(stored, dtype=np.float32))
    if _orientation(image) is not None:
        values = oriented(values, image.affine, orientation)
    return StoredImage(values.reshape(values.shape[0], *header.shape), header)


def nifti_header(path: str, orientation: str | None = "RAS") -> FileHeader:
    """The facts of a NIfTI file; see :func:`~.stored_image.file_header`."""
    return _header(_loaded(path), orientation)


def _loaded(path: str) -> Any:
    with Path(path).open("rb") as stream:
        is_packed = stream.read(2) == b"\x1f\x8b"
    if is_packed == path.lower().endswith(".gz") and path.lower().endswith((".nii", ".nii.gz")):
        image = nibabel.load(path)
    else:  # the name says otherwise than the content
        content = gzip.decompress(Path(path).read_bytes()) if is_packed else Path(path).read_bytes()
        kind = nibabel.Nifti2Image if content[4:8] == b"n+2\0" else nibabel.Nifti1Image
        image = kind.from_bytes(content)
    if not isinstance(image, nibabel.Nifti1Image):  # Nifti2Image is one; CIFTI is not
        raise ValueError(f"expected a NIfTI volume, got {type(image).__name__}; convert the file.")
    if np.issubdtype(image.get_data_dtype(), np.complexfloating):
        raise ValueError("expected real values, got complex ones; store the magnitude.")
    return image


def _header(image: Any, orientation: str | None) -> FileHeader:
    codes = _orientation(image)
    stored = (*image.shape[:3], 1)[:3] if len(image.shape) == 2 else image.shape[:3]
    if len(image.shape) not in (2, 3, 4, 5):
        raise ValueError(f"expected a 2D image or a 3D volume, got stored shape {image.shape}.")
    unit = image.header.get_xyzt_units()[0]
    zooms = (*image.header.get_zooms(), 1.0)[:3] if len(image.shape) == 2 else image.header.get_zooms()[:3]
    sides = [float(side) * _MILLIMETRES.get(unit, 1.0) for side in zooms]
    is_known = all(0 < side < float("inf") for side in sides) and (
        unit != "unknown" or any(side != 1 for side in sides)
    )
    axes = oriented_axes(image.affine, orientation) if codes is not None else [0, 1, 2]
    if sum(stored[axis] == 1 for axis in axes) == 1:
        axes = [axis for axis in axes if stored[axis] != 1]
    return FileHeader(
        shape=tuple(int(stored[axis]) for axis in axes),
        values=_kind(image),
        spacing=tuple(sides[axis] for axis in axes) if is_known else None,
        orientation=codes,
    )


def _orientation(image: Any) -> str | None:
    # without either code the directions are a guess of the reader
    if int(image.header["sform_code"]) == int(image.header["qform_code"]) == 0:
        return None
    codes = ornt2axcodes(io_orientation(image.affine))
    return None if None in codes else "".join(codes)


def _kind(image: Any) -> ValueKind:
    stored = image.get_data_dtype()
    is_byte = stored == np.uint8 or stored.names is not None  # RGB24 and RGBA32 have named fields
    unscaled = (getattr(image.dataobj, "slope", 1.0), getattr(image.dataobj, "inter", 0.0)) == (1.0, 0.0)
    return "8-bit" if is_byte and unscaled else "stored"


def _with_channels_first(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if stored.dtype.names is not None:
        stored = np.stack([stored[name] for name in stored.dtype.names if name in "RGB"], axis=-1)
    if stored.ndim == 5 and stored.shape[3] == 1:  # NIfTI puts vectors behind an axis of time
        stored = stored[:, :, :, 0]
    if stored.ndim not in (2, 3, 4):
        raise ValueError(f"expected a 2D image or a 3D volume, got stored shape {stored.shape}.")
    if stored.ndim == 2:
        stored = stored[..., None]
    return np.moveaxis(stored, -1, 0) if stored.ndim == 4 else stored[None]
