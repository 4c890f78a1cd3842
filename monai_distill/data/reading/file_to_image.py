"""Image files to float32 tensors in [0, 1], channel first."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.transforms import Transform
from PIL import Image

from .dicom_head import modality_of
from .fitting import FITS, Fit, axis_sizes, cropped_or_filled, fitted, inner_sizes, resampled
from .intensity import KIND_MEANINGS, scaled_values
from .stored_image import FileHeader, ValueKind, cached_header, stored_image

__all__ = ["FileToImaged", "with_channels"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's own conversion to gray


class FileToImaged(Transform):  # type: ignore[misc]  # MONAI ships no types
    """Path under ``image`` to a plain float32 tensor, channel first, in [0, 1]; the content tells the file type.

    PNG, JPEG, BMP and TIFF give ``[C, H, W]``, rows before columns, upright as their EXIF orientation says. DICOM gives
    ``[C, H, W]`` as the standard says (palettes, modality transformation, inversion), a folder with the slices of one
    DICOM series or NIfTI gives ``[C, *spatial]`` with the axes in ``orientation``. A volume that is one slice deep is
    a 2D image. Values are scaled by the rule of their kind (:data:`~.intensity.KIND_MEANINGS`): 8-bit values are
    divided by 255, CT has a default window, others are scaled image by image from their minimum to their maximum.
    A path under ``mask``, where an item has one, is read, fitted and multiplied in, and its key is dropped.

    Args:
        image_size: the spatial size to fit the image to, a number for all axes or one per axis.
        channels: 1 (color to luma) or 3 (gray repeated); None keeps what is stored.
        intensity_range: a window in stored units, such as Hounsfield units, clipped and scaled to [0, 1]; it takes the
            place of the rule of every kind of values.
        pixdim: millimeters per axis, MONAI's name. Images are resampled to it (linear, smoothed first where they get
            coarser) and then cropped or filled with 0 to ``image_size`` about their middle, so that a voxel means
            the same in every image. Without it the whole image is fitted, whatever its size in millimeters.
        orientation: three letters, the directions of the axes of every volume, as MONAI's ``Orientation``. ``stored``
            leaves the axes as they are. Volumes whose file does not tell a direction are left as they are.
        fit: ``stretch``, ``pad`` or ``crop``: what happens to images whose proportions differ from ``image_size``.
        modalities: the only DICOM modalities that are read, such as ``["CR", "DX"]`` or ``"CR,DX"``; None reads any
            file. A data set of files leaves others out and counts them.
        values: the only kind of values that is read, such as ``"8-bit"``, as decided once for a data set; None reads
            any. With ``intensity_range`` every kind is read.

    Raises:
        ValueError: if an option is out of range, or a file is of another type, rank, kind or number of channels, or
            does not tell its spacing when ``pixdim`` is given.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (6, 4)).save(f"{folder}/a.png")
        ...     FileToImaged(channels=1)({"image": f"{folder}/a.png"})["image"].shape
        torch.Size([1, 4, 6])
    """

    def __init__(
        self,
        image_size: int | Sequence[int] | None = None,
        channels: int | None = None,
        intensity_range: Sequence[float] | None = None,
        pixdim: Sequence[float] | None = None,
        orientation: str | None = "RAS",
        fit: Fit = "stretch",
        modalities: Sequence[str] | str | None = None,
        values: ValueKind | None = None,
    ) -> None:
        _require_options(image_size, channels, intensity_range, pixdim)
        if fit not in FITS:
            raise ValueError(f"expected fit as one of {list(FITS)}, got {fit!r}.")
        if fit != "stretch" and pixdim is not None:
            raise ValueError(f"expected fit or pixdim, got fit {fit!r} and pixdim {pixdim!r}: leave one out.")
        if values not in (None, *KIND_MEANINGS):
            raise ValueError(f"expected values as one of {list(KIND_MEANINGS)} or None, got {values!r}.")
        self.image_size, self.channels, self.fit, self.values = image_size, channels, fit, values
        self.pixdim = None if pixdim is None else tuple(float(side) for side in pixdim)
        self.intensity_range = None if intensity_range is None else tuple(intensity_range)
        self.orientation = _orientation(orientation)
        self.modalities = _modalities(modalities)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a new item; the item of the dataset stays as it is."""
        item = dict(data)
        if self.modalities is not None and (modality := modality_of(Path(item["image"]))) not in self.modalities:
            if not modality:
                self.header(str(item["image"]))  # its error names a document, or another type of file
            raise ValueError(
                f"expected the modality {' or '.join(self.modalities)}, as chosen for the data set, got "
                f"{modality or 'none'}; take the file out."
            )
        stored = stored_image(str(item["image"]), self.orientation)
        if self.values is not None and self.intensity_range is None and stored.header.values != self.values:
            raise ValueError(
                f"expected {KIND_MEANINGS[self.values]}, as decided for the data set, got "
                f"{KIND_MEANINGS[stored.header.values]}; convert the file."
            )
        image = scaled_values(stored, self.intensity_range)
        if "mask" in item:
            image = image * _mask(str(item.pop("mask")), image.shape[1:])
        image = with_channels(image, self.channels)
        if self.pixdim is not None:
            image = resampled(image, _known_spacing(stored.header, self.pixdim), self.pixdim)
        sizes = axis_sizes(self.image_size, image.shape[1:])
        # at a known spacing the image is cropped or filled only
        image = fitted(image, sizes, self.fit) if self.pixdim is None else cropped_or_filled(image, sizes)
        item["image"] = image.clamp_(0, 1).contiguous()
        return item

    def header(self, path: str) -> FileHeader:
        """The facts of the header of ``path``, for the axes of the image that a call gives."""
        return cached_header(path, self.orientation)

    def spacing_of(self, path: str) -> tuple[float, ...] | None:
        """Millimeters per axis of the image that a call gives for ``path``; None where the file does not tell."""
        header = self.header(path)
        if self.pixdim is not None or header.spacing is None or self.image_size is None:
            return self.pixdim if self.pixdim is not None and header.spacing is not None else header.spacing
        inner = inner_sizes(header.shape, axis_sizes(self.image_size, header.shape), self.fit)
        return tuple(side * old / new for side, old, new in zip(header.spacing, header.shape, inner, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The arguments as JSON holds them: what a manifest records, so that inference reads as training did."""
        return {
            "image_size": list(self.image_size) if isinstance(self.image_size, Sequence) else self.image_size,
            "channels": self.channels,
            "intensity_range": None if self.intensity_range is None else list(self.intensity_range),
            "pixdim": None if self.pixdim is None else list(self.pixdim),
            "orientation": self.orientation or "stored",
            "fit": self.fit,
            "modalities": None if self.modalities is None else list(self.modalities),
            "values": self.values,
        }


def _known_spacing(header: FileHeader, pixdim: Sequence[float]) -> tuple[float, ...]:
    if header.spacing is None or len(header.spacing) != len(pixdim):
        raise ValueError(
            f"expected a file that tells its spacing along {len(pixdim)} axes, as pixdim {tuple(pixdim)} requires, got "
            f"{header.spacing}; correct pixdim or the file, or leave pixdim out."
        )
    return header.spacing


def _mask(path: str, size: Sequence[int]) -> torch.Tensor:
    with Image.open(path) as opened:
        # nearest, as a mask has no values between in and out
        fitted = opened.convert("L").resize((size[1], size[0]), Image.Resampling.NEAREST)
    return (torch.frombuffer(bytearray(fitted.tobytes()), dtype=torch.uint8).view(*size) > 127).to(torch.float32)


def with_channels(image: torch.Tensor, channels: int | None) -> torch.Tensor:
    """The image [C, *spatial] with 1 channel (luma of color) or 3 (gray repeated); None changes nothing."""
    if channels is None or image.shape[0] == channels:
        return image
    convert: dict[tuple[int, int], Callable[[], torch.Tensor]] = {
        (1, 3): lambda: image.repeat(3, *[1] * (image.ndim - 1)),
        (3, 1): lambda: torch.tensordot(torch.tensor(_LUMA), image, dims=1)[None],
    }
    if (image.shape[0], channels) not in convert:
        raise ValueError(f"expected an image of 1 or 3 channels, got {image.shape[0]}; convert the file.")
    return convert[image.shape[0], channels]()


def _orientation(orientation: Any) -> str | None:
    if orientation is None or str(orientation).lower() == "stored":
        return None
    letters = str(orientation).upper()
    if not re.fullmatch("[LRAPSI]{3}", letters) or any(
        len(pair & set(letters)) != 1 for pair in ({"L", "R"}, {"A", "P"}, {"S", "I"})
    ):
        raise ValueError(f"expected orientation as three letters such as RAS or LPS, or stored, got {orientation!r}.")
    return letters


def _modalities(modalities: Any) -> tuple[str, ...] | None:
    if modalities is None:
        return None
    listed = modalities.split(",") if isinstance(modalities, str) else modalities
    names = [name.strip().upper() if isinstance(name, str) else "" for name in listed] if listed else []
    if not names or not all(names):
        raise ValueError(f"expected modalities as a list of names such as [CR, DX], or null, got {modalities!r}.")
    return tuple(dict.fromkeys(names))


def _require_options(image_size: Any, channels: Any, intensity_range: Any, pixdim: Any) -> None:
    if channels not in (None, 1, 3):
        raise ValueError(f"expected channels 1, 3 or None, got {channels!r}.")
    sizes = image_size if isinstance(image_size, Sequence) else (image_size,)
    are_whole = all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes)
    if image_size is not None and (not are_whole or (sizes is image_size and len(sizes) not in (2, 3))):
        raise ValueError(
            f"expected image_size as a whole number above 0, or 2 or 3 of them such as [64, 64], got {image_size!r}."
        )
    if intensity_range is not None and not (_numbers(intensity_range, 2) and intensity_range[0] < intensity_range[1]):
        raise ValueError(f"expected intensity_range (low, high) with low < high, got {intensity_range!r}.")
    if pixdim is not None and not (_numbers(pixdim) and all(0 < side < float("inf") for side in pixdim)):
        raise ValueError(f"expected pixdim as millimeters above 0, one per axis, got {pixdim!r}.")


def _numbers(values: Any, count: int | None = None) -> bool:
    listed = isinstance(values, Sequence) and all(isinstance(value, int | float) for value in values)
    return listed and count in (None, len(values))
