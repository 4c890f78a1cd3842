"""From stored values to [0, 1]: one rule for every kind of values, and one kind for a data set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .stored_image import FileHeader, StoredImage, ValueKind

__all__ = ["CT_WINDOW", "KIND_MEANINGS", "scaled_values", "shared_kind"]

CT_WINDOW = (-1000.0, 1000.0)
"""Hounsfield units of CT images without an ``intensity_range``: from air to dense bone. The window that a file names is
for display and differs from file to file, so it is not used."""

KIND_MEANINGS: Mapping[ValueKind, str] = {
    "8-bit": "values of up to 8 bits, divided by the largest that the file can store",
    "hounsfield": f"CT in Hounsfield units, {CT_WINDOW[0]:g} to {CT_WINDOW[1]:g} scaled to [0, 1]",
    "rescaled": "DICOM values after a modality transformation, each image scaled from its minimum to its maximum",
    "stored": "values of more than 8 bits without a unit, each image scaled from its minimum to its maximum",
}


def scaled_values(image: StoredImage, intensity_range: Sequence[float] | None) -> Tensor:
    """The values in [0, 1]; small values are dark; padding is 0.

    Args:
        image: as the file stores it.
        intensity_range: a window (low, high) in the units of the file that takes the place of the rule of its kind.

    Returns:
        [C, \\*spatial], float32.

    Raises:
        ValueError: when a value outside the padding is NaN or infinite.

    Example:
        >>> from monai_distill.data.reading.stored_image import FileHeader, StoredImage
        >>> stored = torch.tensor([[[-2000.0, -1000.0, 0.0, 1000.0]]])
        >>> scaled_values(StoredImage(stored, FileHeader((1, 4), "hounsfield")), None)
        tensor([[[0.0000, 0.0000, 0.5000, 1.0000]]])
    """
    values, padding = image.values, image.padding
    inside = values if padding is None else values[:, ~padding]
    # integers are finite; the sum of many values costs less to check, and where it overflows every value is checked
    if image.header.values != "8-bit" and not (
        bool(torch.isfinite(inside.sum())) or bool(torch.isfinite(inside).all())
    ):
        raise ValueError("expected finite values, got NaN or infinity; clean the image.")
    if intensity_range is not None:
        low, high = (float(edge) for edge in intensity_range)
    elif image.header.values == "8-bit":
        low, high = 0.0, image.full_range
    elif image.header.values == "hounsfield":
        low, high = CT_WINDOW
    else:
        low, high = (float(inside.min()), float(inside.max())) if inside.numel() else (0.0, 1.0)
    shifted = values - low if low else values
    scaled = (shifted / (high - low)).clamp_(0, 1) if high > low else torch.zeros_like(values)
    scaled = 1 - scaled if image.is_inverted else scaled
    return scaled if padding is None else scaled.masked_fill(padding, 0.0)


def shared_kind(headers: Mapping[str, FileHeader]) -> ValueKind | None:
    """The kind of values that all files have; None when there is no file.

    Args:
        headers: by file name.

    Raises:
        ValueError: when the kinds differ. Each kind is scaled by its own rule, so a network could tell the kinds apart.

    Example:
        >>> shared_kind({"a.png": FileHeader((4, 4), "8-bit"), "b.png": FileHeader((8, 8), "8-bit")})
        '8-bit'
    """
    files: dict[ValueKind, list[str]] = {}
    for name, header in headers.items():
        files.setdefault(header.values, []).append(name)
    if len(files) > 1:
        counts = "; ".join(
            f"{len(files[kind])} with {meaning} (such as {files[kind][0]})"
            for kind, meaning in KIND_MEANINGS.items()
            if kind in files
        )
        raise ValueError(
            f"Expected images with one kind of values, got {counts}. Different rules of scaling distinguish images "
            "whatever they show. Pass intensity_range [low, high] in stored units, or convert the files to one kind."
        )
    return next(iter(files), None)
