"""One DICOM image, through pydicom's own functions."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pydicom
import torch
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from .dicom_head import without_picture
from .stored_image import FileHeader, StoredImage, ValueKind

__all__ = ["dicom_dataset", "dicom_header", "stored_dicom"]

_Array = np.ndarray[Any, Any]
_PALETTE = "PALETTE COLOR"


def stored_dicom(path: str) -> StoredImage:
    """A DICOM file: [C, rows, columns], or [C, rows, columns, frames] where it has several frames.

    As the standard says (PS3.3, C.7.6.3 and C.11.1): palettes and YBR become RGB, a modality transformation is applied,
    MONOCHROME1 and an INVERSE presentation are inverted, and padding is marked. A window for display is not applied: it
    differs from file to file.

    Raises:
        ValueError: when it is no DICOM file, holds no picture, or needs a decoder that is not installed.
    """
    dataset = dicom_dataset(path)
    header = _header(dataset)
    stored = _decoded(dataset)
    values, full_range = _transformed(stored, dataset, header.values)
    is_color = int(dataset.get("SamplesPerPixel", 1)) == 3 or dataset.PhotometricInterpretation == _PALETTE
    frames = len(header.shape) == 3
    padding = None if is_color else _padding(stored, dataset)
    image = torch.from_numpy(np.array(values, dtype=np.float32))
    image = image.movedim(-1, 0) if is_color else image[None]
    if frames:
        image = image.movedim(1, -1)
        padding = None if padding is None else padding.movedim(0, -1)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    return StoredImage(image.contiguous(), header, full_range, bool(inverted) and not is_color, padding)


def dicom_header(path: str) -> FileHeader:
    """The facts of a DICOM file; see :func:`~.stored_image.file_header`."""
    return _header(dicom_dataset(path, stop_before_pixels=True))


def dicom_dataset(path: str, *, stop_before_pixels: bool = False) -> Any:
    """The data set of a DICOM file that holds a picture, also of one without a preamble.

    Raises:
        ValueError: when it is no DICOM file, or holds no picture; the message names what it holds.
    """
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)
    except InvalidDicomError:
        dataset = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels, force=True)
    except OSError:
        raise
    except Exception as error:  # pydicom raises many kinds of errors for other content
        raise ValueError(f"expected a DICOM file, got content that is damaged: {error}") from error
    _require_picture(dataset)
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _native_syntax(*dataset.original_encoding)
    return dataset


def _native_syntax(is_implicit: bool | None, is_little_endian: bool | None) -> pydicom.uid.UID:
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian


def _require_picture(dataset: Any) -> None:
    document = without_picture(dataset)
    if document:
        raise ValueError(f"expected a picture in the DICOM file, got {document}; take the file out.")
    if document is not None:
        raise ValueError("expected a DICOM file, got other content; take the file out or get it again.")


def _header(dataset: Any) -> FileHeader:
    frames = int(dataset.get("NumberOfFrames") or 1)
    spacing = dataset.get("PixelSpacing") if frames == 1 else None
    return FileHeader(
        shape=(int(dataset.Rows), int(dataset.Columns), *((frames,) if frames > 1 else ())),
        values=_kind(dataset),
        spacing=(float(spacing[0]), float(spacing[1])) if spacing else None,
    )


def _kind(dataset: Any) -> ValueKind:
    is_gray = int(dataset.get("SamplesPerPixel", 1)) == 1
    if dataset.PhotometricInterpretation == _PALETTE:
        return "8-bit"
    has_table = bool(dataset.get("ModalityLUTSequence"))
    has_slope = dataset.get("RescaleSlope") is not None and dataset.get("RescaleIntercept") is not None
    if is_gray and (has_table or has_slope):
        is_hounsfield = str(dataset.get("Modality", "")) == "CT" and not has_table
        if is_hounsfield and str(dataset.get("RescaleType") or "HU").upper() == "HU":
            return "hounsfield"
        if has_table or (float(dataset.RescaleSlope), float(dataset.RescaleIntercept)) != (1.0, 0.0):
            return "rescaled"
    is_short = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16) <= 8
    return "8-bit" if is_short and int(dataset.get("PixelRepresentation") or 0) == 0 else "stored"


def _decoded(dataset: Any) -> _Array:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        pixels: _Array = pixel_array(dataset)
    except (RuntimeError, AttributeError) as error:
        # the new errors have no cause: a data set reports the first cause, and these say more
        cause = " ".join(str(error).split())
        if syntax.is_compressed and find_spec("libjpeg") is None:
            raise ValueError(
                f"expected a decoder for {syntax.name} of {dataset.get('BitsStored')} bits, got none that reads this "
                "file; run pip install 'monai-distill[dicom]', or decompress the file first."
            ) from None
        raise ValueError(f"cannot decode {syntax.name}: {cause}; get the file again, or decompress it first.") from None
    return pixels


def _transformed(stored: _Array, dataset: Any, values: ValueKind) -> tuple[_Array, float]:
    """The values in the units of the file, and the largest value that an 8-bit kind can have."""
    if dataset.PhotometricInterpretation == _PALETTE:
        colors = apply_color_lut(stored, dataset)
        if colors.dtype == np.uint16 and not np.any(_palette_words(dataset) & 0xFF):
            colors = colors >> 8  # 16-bit tables whose writer had bytes and put them into the upper half
            return colors, 255.0
        return colors, float(np.iinfo(colors.dtype).max)
    if values in ("hounsfield", "rescaled"):
        return apply_modality_lut(stored, dataset), 0.0
    return stored, float(2 ** int(dataset.get("BitsStored") or dataset.BitsAllocated) - 1)


def _palette_words(dataset: Any) -> _Array:
    data = dataset.get("RedPaletteColorLookupTableData")
    # a segmented table is not looked through: its words are no colors
    return np.ones(1, np.uint16) if data is None else np.frombuffer(data[: len(data) // 2 * 2], dtype=np.uint16)


def _padding(stored: _Array, dataset: Any) -> torch.Tensor | None:
    first = dataset.get("PixelPaddingValue")
    if first is None or first == "":
        return None
    last = dataset.get("PixelPaddingRangeLimit", first)
    low, high = sorted((_as_stored(first, stored.dtype), _as_stored(last, stored.dtype)))
    is_padding = (stored >= low) & (stored <= high)
    return torch.from_numpy(is_padding) if is_padding.any() else None


def _as_stored(value: Any, kind: np.dtype[Any]) -> int:
    # implicit files give the value as signed or unsigned, whatever the pixels are
    return int(np.array(int(value)).astype(kind)) if kind.kind in "iu" else int(value)
