"""Image files to float32 tensors in [0, 1], channel first, through MONAI's own readers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import NibabelReader, PILReader, PydicomReader
from monai.transforms import Resize, ScaleIntensity, ScaleIntensityRange, Transform
from PIL import Image
from torch.nn.functional import interpolate

__all__ = ["IMAGE_SUFFIXES", "FileToImaged"]

_PIL = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_DICOM = (".dcm", ".dicom")
_NIFTI = (".nii", ".nii.gz")
IMAGE_SUFFIXES = (*_PIL, *_DICOM, *_NIFTI)

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's own conversion to grey


class FileToImaged(Transform):  # type: ignore[misc]  # MONAI ships no types
    """Path under ``image`` to a plain float32 tensor, channel first, in [0, 1]; the file type follows from the suffix.

    PNG, JPEG, BMP and TIFF give ``[C, H, W]`` in the row-by-column order of NumPy (MONAI's default is the transposed
    order), DICOM ``[C, H, W]`` with MONOCHROME1 inverted, NIfTI ``[C, *spatial]`` in the order of the stored array; a
    volume one slice deep is taken as 2D. 8-bit values are divided by 255, others are scaled image by image from their
    minimum and maximum. A path under ``mask``, where an item has one, is read, fitted and multiplied in, and its key
    is dropped.

    Args:
        image_size: the spatial size to resize to (linear, with anti-aliasing), a number for all axes or one per axis.
        channels: 1 (colour to luma) or 3 (grey repeated); None keeps what is stored.
        intensity_range: a window in stored units, such as Hounsfield units, clipped and scaled to [0, 1]; given, it is
            used for 8-bit images too.

    Raises:
        ValueError: if an option is out of range, or a file is of another type, rank or number of channels.

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
    ) -> None:
        if channels not in (None, 1, 3):
            raise ValueError(f"expected channels 1, 3 or None, got {channels!r}.")
        sizes = () if image_size is None else (image_size,) if isinstance(image_size, int) else tuple(image_size)
        if any(size < 1 for size in sizes) or (not isinstance(image_size, int) and len(sizes) not in (0, 2, 3)):
            raise ValueError(f"expected image_size as a positive number or 2 or 3 of them, got {image_size!r}.")
        if intensity_range is not None and not intensity_range[0] < intensity_range[1]:
            raise ValueError(f"expected intensity_range (low, high) with low < high, got {intensity_range!r}.")
        self.image_size = image_size
        self.channels = channels
        self.intensity_range = intensity_range

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a new item; the given one, which the dataset keeps, is left as it is."""
        item = dict(data)
        image = self._scaled(*_read(str(item["image"])))
        if "mask" in item:
            image = image * _mask(str(item.pop("mask")), image.shape[1:])
        image = _with_channels(image, self.channels)
        item["image"] = self._resized(image).clamp_(0, 1).contiguous()
        return item

    def _scaled(self, image: torch.Tensor, is_byte: bool, inverted: bool) -> torch.Tensor:
        if not bool(torch.isfinite(image).all()):
            raise ValueError("expected finite values, got NaN or infinity; clean the image.")
        if self.intensity_range is not None:
            low, high = self.intensity_range
            image = _plain(ScaleIntensityRange(low, high, 0.0, 1.0, clip=True)(image))
        else:
            image = image / 255 if is_byte else _plain(ScaleIntensity(0.0, 1.0)(image))
        return 1 - image if inverted else image

    def _resized(self, image: torch.Tensor) -> torch.Tensor:
        rank = image.ndim - 1
        if self.image_size is None:
            return image
        size = (self.image_size,) * rank if isinstance(self.image_size, int) else tuple(self.image_size)
        if len(size) != rank:
            raise ValueError(
                f"image_size {size} has {len(size)} numbers, got an image of shape {tuple(image.shape[1:])}."
            )
        if size == tuple(image.shape[1:]):
            return image
        if rank == 3:
            return _plain(Resize(size, mode="trilinear", anti_aliasing=True)(image))
        # torch's own filter is several times faster than blurring first, but it exists in 2D only
        return interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]


class _DICOMReader(PydicomReader):  # type: ignore[misc]  # MONAI ships no types
    def _get_affine(self, metadata: dict[str, Any], lps_to_ras: bool = True) -> Any:
        # positions in space are not used here; MONAI would warn for every X-ray that has none
        return np.eye(4)


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


def _read(path: str) -> tuple[torch.Tensor, bool, bool]:
    """The stored values, channel first; whether they are bytes; whether small values are bright."""
    reader, kind = _reader(path), _suffix(path)
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
