"""The set as a ``.npz`` file in MedMNIST's format, 8 bits per value, and back."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.atomic_file import atomic_write

from .labels import hard_labels

__all__ = ["INFO_FILE", "NPZ_FILE", "EightBit", "medmnist_info", "read_npz", "write_npz"]


@dataclass(frozen=True)
class EightBit:
    """One linear scale for a whole set: byte 0 is ``low``, byte 255 is ``high``, in pixel values.

    Distilled pixel values can lie outside the range of real images (0 to 1). Clipping would cost accuracy, so the scale
    covers the range of the set, at least 0 to 1, and is stored with the bytes.

    Args:
        low: pixel value of byte 0.
        high: pixel value of byte 255, above ``low``.

    Raises:
        ValueError: if ``high`` is not above ``low``, or one of them is not finite.

    Example:
        >>> scale = EightBit.of(torch.tensor([-1.0, 0.5, 2.0]))
        >>> scale, scale.to_bytes(torch.tensor([-1.0, 2.0])).tolist()
        (EightBit(low=-1.0, high=2.0), [0, 255])
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -np.inf < self.low < self.high < np.inf:
            raise ValueError(f"Expected finite low < high, got {self.low} and {self.high}. Use EightBit.of(pixels).")

    @classmethod
    def of(cls, pixels: Tensor) -> EightBit:
        """The scale for the pixel values of a set, of any shape."""
        return cls(min(0.0, float(pixels.min())), max(1.0, float(pixels.max())))

    @property
    def step(self) -> float:
        """Pixel value of one gray level; rounding changes a pixel by at most half of it."""
        return (self.high - self.low) / 255

    def to_bytes(self, pixels: Tensor) -> NDArray[np.uint8]:
        """Pixel values to bytes of the same shape."""
        levels = ((pixels.detach().cpu().double() - self.low) / self.step).round().clamp(0, 255)
        stored: NDArray[np.uint8] = levels.to(torch.uint8).numpy()
        return stored

    def to_pixels(self, stored: NDArray[Any]) -> Tensor:
        """Bytes to float32 pixel values of the same shape."""
        return (torch.from_numpy(stored.astype(np.float64)) * self.step + self.low).float()


NPZ_FILE, INFO_FILE = "synthetic.npz", "medmnist_info.json"
SECTIONS = ("train", "val", "test")


def write_npz(synthetic: SyntheticDataset, folder: Path, release: Mapping[str, Any]) -> None:
    """Write ``synthetic.npz``, and ``medmnist_info.json``, the description that the ``medmnist`` package requires.

    Format of MedMNIST (Yang et al. 2023): ``train_images`` uint8 [n, H, W], [n, H, W, 3] or [n, D, H, W],
    ``train_labels`` uint8 [n, 1]; ``val_`` and ``test_`` are empty. Deviations: ``pixel_low`` and ``pixel_high`` are
    the scale of the bytes, see :class:`EightBit`. Learned labels become the most likely class.

    Args:
        synthetic: the set.
        folder: of the release.
        release: its ``title`` and ``license``.
    """
    pixels = synthetic.pixels().cpu()
    scale = EightBit.of(pixels)
    images = scale.to_bytes(pixels.movedim(1, -1))
    images = images[..., 0] if images.shape[-1] == 1 else images
    labels = hard_labels(synthetic).cpu().numpy()[:, None].astype(np.uint8)
    arrays: dict[str, Any] = {"train_images": images, "train_labels": labels}
    for section in SECTIONS[1:]:
        arrays |= {f"{section}_images": images[:0], f"{section}_labels": labels[:0]}
    arrays |= {
        "class_names": np.array(synthetic.class_names),  # fixed width, so no pickle
        "pixel_low": np.float64(scale.low),
        "pixel_high": np.float64(scale.high),
    }
    atomic_write(folder / NPZ_FILE, _zipped(arrays))
    atomic_write(folder / INFO_FILE, json.dumps(medmnist_info(synthetic, release), indent=2).encode())


def read_npz(folder: Path, manifest: Mapping[str, Any], preprocessing: Any) -> SyntheticDataset:
    """Read the set from ``synthetic.npz``: rounded to 8 bits, with hard labels.

    Args:
        folder: of the release.
        manifest: of the release; gives the learning rate.
        preprocessing: of the release's ``synthetic.safetensors``.

    Raises:
        ValueError: if the file has pickles or another format.
    """
    with np.load(folder / NPZ_FILE, allow_pickle=False) as arrays:
        stored, labels = arrays["train_images"], arrays["train_labels"]
        names = [str(name) for name in arrays["class_names"]]
        scale = EightBit(float(arrays["pixel_low"]), float(arrays["pixel_high"]))
    pixels = scale.to_pixels(stored)
    gray = list(stored.shape[1:]) == list(manifest["images"]["shape"][1:])
    pixels = pixels[:, None] if gray else pixels.movedim(-1, 1).contiguous()
    return SyntheticDataset(
        pixels if preprocessing is None else preprocessing(pixels),
        torch.from_numpy(labels[:, 0].astype(np.int64)),
        names,
        student_lr=float(manifest["student_lr"]),
        preprocessing=preprocessing,
        manifest=manifest,
    )


def _zipped(arrays: Mapping[str, Any]) -> bytes:
    """Like :func:`numpy.savez_compressed`, but without the time, so that the same set gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
            stamp = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            stamp.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(stamp, entry.getvalue())
    return buffer.getvalue()


def medmnist_info(synthetic: SyntheticDataset, release: Mapping[str, Any]) -> dict[str, Any]:
    """Content of ``medmnist_info.json``: title, license, classes and counts of the set."""
    return {
        "python_class": "Synthetic",
        "description": f"SYNTHETIC images distilled from {release['title']}. Not for diagnosis.",
        "task": "binary-class" if len(synthetic.class_names) == 2 else "multi-class",
        "label": {str(i): name for i, name in enumerate(synthetic.class_names)},
        "n_channels": synthetic.images.shape[1],
        "n_samples": {"train": len(synthetic), "val": 0, "test": 0},
        "license": release["license"],
    }
