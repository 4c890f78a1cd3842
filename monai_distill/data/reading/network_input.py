"""From a file, or an image that another program has read, to the input of a network, as MONAI transforms."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import LoadImaged, MapTransform, Orientation

from .file_to_image import FileToImaged, with_channels
from .fitting import axis_sizes, fitted

__all__ = ["ArrayAsTrainedd", "LoadImageAsTrainedd"]


class LoadImageAsTrainedd(LoadImaged):  # type: ignore[misc]  # MONAI ships no types
    """Reads the file under a key as the training images were read; a tensor or array is passed on.

    It is a MONAI ``LoadImaged``, which MONAI Label extends and MONAI Deploy leaves out: both have images of their own,
    which :class:`ArrayAsTrainedd` takes. A file that cannot be read is an error. Where the item has a text under
    ``error``, the text becomes the reason instead and the image is zero, so that a table has a row for every file.

    Args:
        keys: of the images.
        shape: [channels, *spatial] of an image in training.
        reading: the arguments of :class:`FileToImaged`; None fits the image to the shape.

    Raises:
        ValueError: from the call, if a file cannot be read or gives another shape.

    Example:
        >>> LoadImageAsTrainedd("image", [1, 4, 4])({"image": "a.txt", "error": ""})["error"][:28]
        "unsupported file type '.txt'"
    """

    def __init__(self, keys: KeysCollection, shape: Sequence[int], reading: Mapping[str, Any] | None = None) -> None:
        super().__init__(keys)
        self.shape = tuple(shape)
        self.reader = FileToImaged(**_settings(shape, reading))

    def __call__(self, data: Mapping[Hashable, Any], reader: Any = None) -> dict[Hashable, Any]:
        """Return a new item."""
        item = dict(data)
        for key in self.keys:
            if isinstance(item[key], str):
                item |= self._read(item, key)
        return item

    def _read(self, item: Mapping[Hashable, Any], key: Hashable) -> dict[Hashable, Any]:
        path = str(item[key])
        try:
            image = self.reader({"image": path})["image"]
            _require_shape(image, self.shape)
        except Exception as error:
            if "error" not in item:
                raise
            return {key: torch.zeros(self.shape), "error": _text(error, path)}
        return {key: image}


class ArrayAsTrainedd(MapTransform):  # type: ignore[misc]
    """Brings an image that is in memory into the form of the training images; one in that form is passed on.

    An image whose MONAI metadata has ``original_channel_dim`` is one that MONAI Deploy or MONAI Label read: its axes
    are width, height and depth, then the channels. Another array has its rows first, and its channels first or last.
    uint8 values are divided by 255; others are clipped to the range of the training images, where there is one, and
    must lie in [0, 1] otherwise.

    Args:
        keys: of the images.
        shape: [channels, *spatial] of an image in training.
        reading: the arguments of :class:`FileToImaged` in training; None for defaults.

    Raises:
        ValueError: from the call, if an image has another rank or other channels, values without a range, or if the
            training images were resampled by their spacing, which an array does not tell.

    Example:
        >>> gray = np.full((6, 4), 255, dtype=np.uint8)
        >>> ArrayAsTrainedd("image", [1, 8, 8])({"image": gray})["image"].shape
        torch.Size([1, 8, 8])
    """

    def __init__(self, keys: KeysCollection, shape: Sequence[int], reading: Mapping[str, Any] | None = None) -> None:
        super().__init__(keys)
        self.shape = tuple(shape)
        self.settings = _settings(shape, reading)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a new item; images become plain float32 tensors [channels, *spatial]."""
        return {**data, **{key: self._prepared(data[key]) for key in self.key_iterator(data)}}

    def _prepared(self, value: Any) -> torch.Tensor:
        is_read = isinstance(value, MetaTensor) and "original_channel_dim" in value.meta
        if is_read and len(self.shape) == 4:
            value = self._oriented(value)
        image = torch.as_tensor(np.asarray(value) if not isinstance(value, torch.Tensor) else value)
        image = image.as_subclass(torch.Tensor)
        if not is_read and image.is_floating_point() and tuple(image.shape) == self.shape:
            # a copy: it may be a cache's, and MONAI's NormalizeIntensity works in place
            return image.to(torch.float32, copy=True)
        if self.settings.get("pixdim") is not None:
            raise ValueError(
                "expected a file, because the training images were resampled by their spacing; got an array."
            )
        image = with_channels(self._scaled(self._channel_first(image, is_read)), self.settings.get("channels"))
        sizes = axis_sizes(self.settings.get("image_size"), image.shape[1:])
        image = fitted(image, sizes, self.settings.get("fit", "stretch")).clamp(0, 1)
        _require_shape(image, self.shape)
        return image.contiguous()

    def _oriented(self, value: MetaTensor) -> torch.Tensor:
        letters = str(self.settings.get("orientation", "RAS"))
        if "affine" not in value.meta or letters.lower() == "stored":
            return torch.as_tensor(value)
        volume = value[None] if value.ndim == 3 else value.movedim(-1, 0)
        oriented: torch.Tensor = Orientation(axcodes=letters.upper())(volume).as_tensor()
        return oriented.movedim(0, -1)  # as it came

    def _channel_first(self, image: torch.Tensor, is_read: bool) -> torch.Tensor:
        axes = len(self.shape) - 1
        if image.ndim == axes:
            image = image[None]
        elif image.ndim == axes + 1 and (is_read or image.shape[0] not in (1, 3, self.shape[0])):
            image = image.movedim(-1, 0)
        if image.ndim != axes + 1:
            raise ValueError(f"expected an image with {axes} spatial axes, got {list(image.shape)}.")
        return image.transpose(1, 2) if is_read and axes == 2 else image  # MONAI's axes are width and height

    def _scaled(self, image: torch.Tensor) -> torch.Tensor:
        window = self.settings.get("intensity_range")
        if window is not None:
            low, high = (float(edge) for edge in window)
            return ((image.float() - low) / (high - low)).clamp(0, 1)
        if image.dtype == torch.uint8:
            return image.float() / 255
        if image.is_floating_point() and float(image.min()) >= 0 and float(image.max()) <= 1:
            return image.float()
        raise ValueError(
            f"expected uint8 values, or floats in [0, 1], got {image.dtype} from {float(image.min()):g} to "
            f"{float(image.max()):g}; scale the image, or train with intensity_range."
        )


def _settings(shape: Sequence[int], reading: Mapping[str, Any] | None) -> dict[str, Any]:
    settings = dict(reading) if reading else {"image_size": list(shape[1:])}
    return {**settings, "channels": shape[0]} if shape[0] in (1, 3) else settings


def _require_shape(image: torch.Tensor, shape: Sequence[int]) -> None:
    if tuple(image.shape) != tuple(shape):
        raise ValueError(f"expected an image of shape {list(shape)}, as in training, got {list(image.shape)}.")


def _text(error: Exception, path: str) -> str:
    # a table of predictions may be passed on: it names files, not where they lie on the disk
    return " ".join(str(error).replace(path, Path(path).name).split()) or type(error).__name__
