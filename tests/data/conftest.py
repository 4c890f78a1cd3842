"""Small made copies of every layout that the datasets read."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from monai_distill.data.datasets import natural_images

COUNTS = {"train": 12, "val": 6, "test": 6}
MHIST_HEADER = "Image Name,Majority Vote Label,Number of Annotators who Selected SSA (Out of 7),Partition"


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, shape, dtype=np.uint8)


def npz_arrays(shape: tuple[int, ...], classes: int = 2, times: int = 1) -> dict[str, np.ndarray]:
    arrays = {}
    for seed, (part, least) in enumerate(COUNTS.items()):
        count = times * least
        arrays[f"{part}_images"] = pixels(count, *shape, seed=seed)
        arrays[f"{part}_labels"] = (np.arange(count) % classes)[:, None].astype(np.uint8)
    return arrays


def write_image(path: Path, shape: tuple[int, ...] = (8, 6), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(*shape, seed=seed)).save(path)


def write_dicom(path: Path, array: np.ndarray, photometric: str = "MONOCHROME2", **tags: Any) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stored = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    stored.Rows, stored.Columns = array.shape[:2]
    stored.SamplesPerPixel = 3 if array.ndim == 3 else 1
    if array.ndim == 3:
        stored.PlanarConfiguration = 0
    stored.PhotometricInterpretation = photometric
    stored.BitsAllocated = stored.BitsStored = 8 * array.dtype.itemsize
    stored.HighBit = stored.BitsStored - 1
    stored.PixelRepresentation = 0
    stored.PixelData = array.tobytes()
    for name, value in tags.items():
        setattr(stored, name, value)
    stored.save_as(path, enforce_file_format=True)


def write_table(root: Path, rows: list[str], header: str = "image,label", table: str = "table.csv") -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / table).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture
def npz_root(tmp_path: Path) -> Path:
    """One file of own data, pneumoniamnist, bloodmnist, pathmnist and a 3D set, all with made pixels."""
    np.savez(tmp_path / "own.npz", **npz_arrays((7, 5, 3), classes=3))
    np.savez(tmp_path / "pneumoniamnist.npz", **npz_arrays((28, 28)))
    np.savez(tmp_path / "bloodmnist.npz", **npz_arrays((28, 28, 3), classes=8, times=3))
    np.savez(tmp_path / "pathmnist.npz", **npz_arrays((28, 28, 3), classes=9))
    np.savez(tmp_path / "organmnist3d.npz", **npz_arrays((28, 28, 28), classes=4))
    return tmp_path


@pytest.fixture
def table_root(tmp_path: Path) -> Path:
    """24 gray images of 12 patients, two of each, in two classes."""
    root = tmp_path / "table"
    rows = []
    for i in range(24):
        write_image(root / "png" / f"{i:02d}.png", seed=i)
        rows.append(f"png/{i:02d}.png,{'ab'[i // 2 % 2]},p{i // 2:02d}")
    write_table(root, rows, "image,label,patient")
    return root


@pytest.fixture
def folder_root(tmp_path: Path) -> Path:
    """Two class folders, one flat and one with images/ in it."""
    root = tmp_path / "folders"
    for i in range(10):
        write_image(root / "cat" / f"{i}.png", seed=i)
        write_image(root / "dog" / "images" / f"{i}.png", seed=100 + i)
    (root / ".hidden").mkdir()
    return root


@pytest.fixture
def mhist_root(tmp_path: Path) -> Path:
    """MHIST's layout with 20 training and 6 test images of 16x16."""
    root = tmp_path / "mhist"
    rows = []
    for i in range(26):
        write_image(root / "images" / f"MHIST_{i:03d}.png", (16, 16, 3), seed=i)
        votes = 6 if i % 2 else 1
        rows.append(f"MHIST_{i:03d}.png,{'SSA' if i % 2 else 'HP'},{votes},{'train' if i < 20 else 'test'}")
    write_table(root, rows, MHIST_HEADER, "annotations.csv")
    return root


@pytest.fixture
def covid_root(tmp_path: Path) -> Path:
    """The four class folders with masks of another size; one image carries three channels."""
    root = tmp_path / "covid"
    for c, name in enumerate(("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")):
        for i in range(10):
            shape = (19, 19, 3) if c == i == 1 else (19, 19)
            write_image(root / name / "images" / f"{name}-{i + 1}.png", shape, seed=100 * c + i)
            mask = np.zeros((16, 16, 3), dtype=np.uint8)
            mask[:, 8:] = 255
            path = root / name / "masks" / f"{name}-{i + 1}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(mask).save(path)
    return root


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    """MNIST's unpacked files with 40 and 10 made images."""
    for part, count in (("train", 40), ("t10k", 10)):
        raw = tmp_path / "MNIST" / "raw"
        write_idx(raw / f"{part}-images-idx3-ubyte", pixels(count, 28, 28, seed=count))
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    return tmp_path


@pytest.fixture
def cifar_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10's six pickles with 50 and 10 made images, and a loader that takes these for the published ones."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    published = natural_images.PUBLISHED["cifar10"]
    for seed, name in enumerate(published.files):
        batch = {"data": pixels(10, 3072, seed=seed), "labels": list(range(10))}
        (folder / name).write_bytes(pickle.dumps(batch))
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in published.files}
    made = dataclasses.replace(published, files=md5)
    monkeypatch.setattr(natural_images, "PUBLISHED", {**natural_images.PUBLISHED, "cifar10": made})
    return tmp_path


@pytest.fixture
def tools() -> dict[str, Callable[..., Any]]:
    """The writers above, for tests that make files of their own."""
    return {
        "dicom": write_dicom,
        "idx": write_idx,
        "image": write_image,
        "npz_arrays": npz_arrays,
        "pixels": pixels,
        "table": write_table,
    }
