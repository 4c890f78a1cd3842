"""Images for the ladder, straight from their archives: through a data set of files they would take minutes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from monai_distill.data import ClassBank
from monai_distill.data.datasets import DigitsDataset


def read_images(data: Path, cache: Path) -> tuple[ClassBank, ClassBank]:
    """Training and test images with values in [0, 1], on the CPU; decoded JPEGs are kept in ``cache``."""
    if data.name == "digits":
        training, test = (ClassBank.from_dataset(DigitsDataset(section)) for section in ("training", "test"))
        return training, test
    if data.suffix == ".zip":
        return _decoded(data, cache / "decoded.npz")
    training, test = (_mnist(data, part) for part in ("train", "t10k"))
    return training, test


def _decoded(archive: Path, kept: Path) -> tuple[ClassBank, ClassBank]:
    if not kept.exists():
        arrays: dict[str, np.ndarray] = {}
        with zipfile.ZipFile(archive) as files:
            for part in ("train", "test"):
                names = sorted(n for n in files.namelist() if n.startswith(f"{part}/") and n.endswith(".jpg"))
                folders = [name.split("/")[1] for name in names]
                classes = sorted(set(folders))
                arrays[part] = np.stack(
                    [np.asarray(Image.open(io.BytesIO(files.read(n))).convert("RGB")) for n in names]
                )
                arrays[f"{part}_labels"] = np.array([classes.index(folder) for folder in folders])
        np.savez(kept, classes=np.array(classes), **arrays)
    with np.load(kept) as held:
        names = [str(name) for name in held["classes"]]
        parts = [(held[part], held[f"{part}_labels"]) for part in ("train", "test")]
    first, second = (_bank(torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y), names) for x, y in parts)
    return first, second


def _mnist(folder: Path, part: str) -> ClassBank:
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return _bank(torch.from_numpy(pixels.copy()), torch.from_numpy(labels.copy()), [str(i) for i in range(10)])


def _bank(pixels: torch.Tensor, labels: torch.Tensor, names: list[str]) -> ClassBank:
    return ClassBank(pixels.float().contiguous() / 255, labels.long(), names)
