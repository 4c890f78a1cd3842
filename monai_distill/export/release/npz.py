"""The set as a ``.npz`` file in MedMNIST's format, 8 bits a value, and back."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_distill.data import SyntheticDataset
from monai_distill.whole_file import write_whole

from .eight_bit import EightBit
from .labels import hard_labels

__all__ = ["read_npz", "write_npz"]

NPZ_FILE, INFO_FILE = "synthetic.npz", "medmnist_info.json"
SECTIONS = ("train", "val", "test")


def write_npz(synthetic: SyntheticDataset, folder: Path, about: Mapping[str, Any]) -> None:
    """Write ``synthetic.npz`` and ``medmnist_info.json``, what the ``medmnist`` package wants to know of a set.

    As MedMNIST (Yang et al. 2023) stores them: ``train_images`` uint8 [n, H, W], [n, H, W, 3] or [n, D, H, W],
    ``train_labels`` uint8 [n, 1]; ``val_`` and ``test_`` are empty. Deviations: ``pixel_low`` and ``pixel_high`` hold
    the scale of the bytes, see :class:`EightBit`; learned labels become the most likely class.

    Args:
        synthetic: the set.
        folder: of the release.
        about: ``title`` and ``licence`` of the release.
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
        "class_names": np.array(synthetic.class_names),  # of fixed width, so no pickle
        "pixel_low": np.float64(scale.low),
        "pixel_high": np.float64(scale.high),
    }
    write_whole(folder / NPZ_FILE, _zipped(arrays))
    write_whole(folder / INFO_FILE, json.dumps(_info(synthetic, about), indent=2).encode())


def read_npz(folder: Path, manifest: Mapping[str, Any], preprocessing: Any) -> SyntheticDataset:
    """The set as ``synthetic.npz`` holds it: after rounding, with hard labels.

    Args:
        folder: of the release.
        manifest: of the release; the step size is taken from it.
        preprocessing: of the release's ``synthetic.safetensors``.

    Raises:
        ValueError: when the file holds pickles, or is no such file.
    """
    with np.load(folder / NPZ_FILE, allow_pickle=False) as arrays:
        stored, labels = arrays["train_images"], arrays["train_labels"]
        names = [str(name) for name in arrays["class_names"]]
        scale = EightBit(float(arrays["pixel_low"]), float(arrays["pixel_high"]))
    pixels = scale.to_pixels(stored)
    grey = list(stored.shape[1:]) == list(manifest["images"]["shape"][1:])
    pixels = pixels[:, None] if grey else pixels.movedim(-1, 1).contiguous()
    return SyntheticDataset(
        pixels if preprocessing is None else preprocessing(pixels),
        torch.from_numpy(labels[:, 0].astype(np.int64)),
        names,
        step_size=float(manifest["step_size"]),
        preprocessing=preprocessing,
        manifest=manifest,
    )


def _zipped(arrays: Mapping[str, Any]) -> bytes:
    """As :func:`numpy.savez_compressed`, but with no time of writing, so that the same set gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
            stamp = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            stamp.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(stamp, entry.getvalue())
    return buffer.getvalue()


def _info(synthetic: SyntheticDataset, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "python_class": "Synthetic",
        "description": f"SYNTHETIC images distilled from {about['title']}. Not for diagnosis.",
        "task": "binary-class" if len(synthetic.class_names) == 2 else "multi-class",
        "label": {str(i): name for i, name in enumerate(synthetic.class_names)},
        "n_channels": synthetic.images.shape[1],
        "n_samples": {"train": len(synthetic), "val": 0, "test": 0},
        "license": about["licence"],
    }
