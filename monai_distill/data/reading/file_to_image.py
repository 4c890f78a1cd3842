"""Image files to float32 tensors in [0, 1], channel first, through MONAI's own readers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import (
    GaussianSmooth,
    Resize,
    ResizeWithPadOrCrop,
    ScaleIntensity,
    ScaleIntensityRange,
    Spacing,
    Transform,
)
from PIL import Image
from torch.nn.functional import interpolate

from .stored_image import stored_grid, stored_image

__all__ = ["FileToImaged"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's own conversion to grey


class FileToImaged(Transform):  # type: ignore[misc]  # MONAI ships no types
    """Path under ``image`` to a plain float32 tensor, channel first, in [0, 1]; the file type follows from the suffix.

    PNG, JPEG, BMP and TIFF give ``[C, H, W]`` in the row-by-column order of NumPy (MONAI's default is the transposed
    order), DICOM ``[C, H, W]`` with MONOCHROME1 inverted, a folder with the slices of one DICOM series
    ``[C, rows, columns, slices]``, NIfTI ``[C, *spatial]`` in the order of the stored array; a volume one slice deep is
    taken as 2D. What the axes mean in the patient is not changed: volumes of one table should be stored in one
    orientation. 8-bit values are divided by 255, others are scaled image by image from their
    minimum and maximum. A path under ``mask``, where an item has one, is read, fitted and multiplied in, and its key
    is dropped.

    Args:
        image_size: the spatial size to resize to (linear, with anti-aliasing), a number for all axes or one per axis.
        channels: 1 (colour to luma) or 3 (grey repeated); None keeps what is stored.
        pixdim: millimetres per axis, MONAI's name; given, an image is resampled to it (linear, smoothed first where it
            gets coarser) and then cropped or filled with 0 to ``image_size`` about its middle, so that a voxel means
            the same in every image. Without it the whole image is resized, whatever its size in millimetres.
        intensity_range: a window in stored units, such as Hounsfield units, clipped and scaled to [0, 1]; given, it is
            used for 8-bit images too.

    Raises:
        ValueError: if an option is out of range, or a file is of another type, rank or number of channels, or does not
            tell its spacing when ``pixdim`` is given.

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
        intensity_range: tuple[float, float] | None = None,
        pixdim: Sequence[float] | None = None,
    ) -> None:
        if channels not in (None, 1, 3):
            raise ValueError(f"expected channels 1, 3 or None, got {channels!r}.")
        _require_sizes(image_size)
        if intensity_range is not None and not (
            _numbers(intensity_range, 2) and intensity_range[0] < intensity_range[1]
        ):
            raise ValueError(f"expected intensity_range (low, high) with low < high, got {intensity_range!r}.")
        if pixdim is not None and not (_numbers(pixdim) and all(0 < side < float("inf") for side in pixdim)):
            raise ValueError(f"expected pixdim as millimetres above 0, one per axis, got {pixdim!r}.")
        self.pixdim = None if pixdim is None else tuple(float(side) for side in pixdim)
        self.image_size = image_size
        self.channels = channels
        self.intensity_range = intensity_range

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a new item; the given one, which the dataset keeps, is left as it is."""
        item = dict(data)
        path = str(item["image"])
        image = self._scaled(*stored_image(path))
        if "mask" in item:
            image = image * _mask(str(item.pop("mask")), image.shape[1:])
        image = _with_channels(image, self.channels)
        fitted = self._resized(image) if self.pixdim is None else self._resampled(image, path)
        item["image"] = fitted.clamp_(0, 1).contiguous()
        return item

    def spacing_of(self, path: str) -> tuple[float, ...] | None:
        """Millimetres per axis of what a call gives for ``path``; None where the file does not tell its own."""
        shape, spacing = stored_grid(path)
        if self.pixdim is not None or spacing is None or self.image_size is None:
            return self.pixdim if self.pixdim is not None and spacing is not None else spacing
        sizes = [self.image_size] * len(shape) if isinstance(self.image_size, int) else self.image_size
        return tuple(side * old / new for side, old, new in zip(spacing, shape, sizes, strict=True))

    def _scaled(self, image: torch.Tensor, is_byte: bool, inverted: bool) -> torch.Tensor:
        if not bool(torch.isfinite(image).all()):
            raise ValueError("expected finite values, got NaN or infinity; clean the image.")
        if self.intensity_range is not None:
            low, high = self.intensity_range
            image = _plain(ScaleIntensityRange(low, high, 0.0, 1.0, clip=True)(image))
        else:
            image = image / 255 if is_byte else _plain(ScaleIntensity(0.0, 1.0)(image))
        return 1 - image if inverted else image

    def _size(self, image: torch.Tensor) -> tuple[int, ...]:
        shape = tuple(image.shape[1:])
        if self.image_size is None:
            return shape
        size = (self.image_size,) * len(shape) if isinstance(self.image_size, int) else tuple(self.image_size)
        if len(size) != len(shape):
            raise ValueError(f"image_size {size} has {len(size)} numbers, got an image of shape {shape}.")
        return size

    def _resampled(self, image: torch.Tensor, path: str) -> torch.Tensor:
        spacing, pixdim = stored_grid(path)[1], self.pixdim or ()
        if spacing is None or len(spacing) != len(pixdim):
            raise ValueError(
                f"expected a file that tells its spacing along {len(pixdim)} axes, as pixdim {pixdim} asks for, got "
                f"{spacing}; correct pixdim or the file, or leave pixdim out."
            )
        # as MONAI's Resize smooths before it makes an image smaller; Spacing does not
        blur = [max(0.0, (new / old - 1) / 2) for new, old in zip(pixdim, spacing, strict=True)]
        smoothed = _plain(GaussianSmooth(blur)(image)) if any(blur) else image
        placed = MetaTensor(smoothed, affine=torch.diag(torch.tensor([*spacing, *[1.0] * (4 - len(spacing))])))
        resampled = _plain(Spacing(pixdim, mode="bilinear", padding_mode="border")(placed)).float()
        return resampled if self.image_size is None else _plain(ResizeWithPadOrCrop(self._size(resampled))(resampled))

    def _resized(self, image: torch.Tensor) -> torch.Tensor:
        size = self._size(image)
        if size == tuple(image.shape[1:]):
            return image
        if len(size) == 3:
            return _plain(Resize(size, mode="trilinear", anti_aliasing=True)(image))
        # torch's own filter is several times faster than blurring first, but it exists in 2D only
        return interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]


def _plain(image: Any) -> torch.Tensor:
    tensor: torch.Tensor = image.as_tensor() if hasattr(image, "as_tensor") else image
    return tensor


def _mask(path: str, size: Sequence[int]) -> torch.Tensor:
    with Image.open(path) as opened:
        # nearest, as a mask has no values between in and out
        fitted = opened.convert("L").resize((size[1], size[0]), Image.Resampling.NEAREST)
    return (torch.frombuffer(bytearray(fitted.tobytes()), dtype=torch.uint8).view(*size) > 127).to(torch.float32)


def _with_channels(image: torch.Tensor, channels: int | None) -> torch.Tensor:
    if channels is None or image.shape[0] == channels:
        return image
    convert: dict[tuple[int, int], Callable[[], torch.Tensor]] = {
        (1, 3): lambda: image.repeat(3, *[1] * (image.ndim - 1)),
        (3, 1): lambda: torch.tensordot(torch.tensor(_LUMA), image, dims=1)[None],
    }
    if (image.shape[0], channels) not in convert:
        raise ValueError(f"expected an image of 1 or 3 channels, got {image.shape[0]}; convert the file.")
    return convert[image.shape[0], channels]()


def _require_sizes(image_size: Any) -> None:
    if image_size is None:
        return
    sizes = image_size if isinstance(image_size, Sequence) else (image_size,)
    whole = all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes)
    if not whole or (sizes is image_size and len(sizes) not in (2, 3)):
        raise ValueError(
            f"expected image_size as a whole number above 0, or 2 or 3 of them such as [64, 64], got {image_size!r}."
        )


def _numbers(values: Any, count: int | None = None) -> bool:
    listed = isinstance(values, Sequence) and all(isinstance(value, int | float) for value in values)
    return listed and count in (None, len(values))
