"""Decoded images on disk: what the files hold, read again only when the files or the reading change."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_distill.data import ClassBank
from monai_distill.data.datasets import ImageFolderDataset, decoded_images
from monai_distill.data.reading import FileToImaged


@pytest.fixture
def root(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(6):
            pixels = generator.integers(0, 256, (9, 9), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    return tmp_path / "data"


def bank(root: Path, cache: Path | None, size: int = 8) -> ClassBank:
    reading = FileToImaged(image_size=size)
    return ClassBank.from_dataset(
        ImageFolderDataset(root, "training", reading=reading, cache_dir=cache, cache_rate=0.0)
    )


def test_the_cache_holds_what_the_files_hold(root: Path, tmp_path: Path) -> None:
    plain, first, second = bank(root, None), bank(root, tmp_path / "c"), bank(root, tmp_path / "c")
    assert first.fingerprint() == plain.fingerprint() == second.fingerprint()
    assert plain.images.mapped_file is None
    assert second.images.mapped_file is not None
    assert len([*(tmp_path / "c").glob("*.npy")]) == 1


@pytest.mark.parametrize("change", ["pixels", "time", "reading", "version"])
def test_other_files_and_another_reading_are_decoded_again(
    root: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank(root, tmp_path / "c")
    file = next((root / "a").iterdir())
    if change == "pixels":
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(file)
    elif change == "time":
        os.utime(file, ns=(1, 1))
    elif change == "version":  # another Pillow may decode other values
        monkeypatch.setattr(decoded_images, "version", lambda name: "other" if name == "pillow" else "1")
    size = 7 if change == "reading" else 8
    assert bank(root, tmp_path / "c", size).fingerprint() == bank(root, None, size).fingerprint()
    assert len([*(tmp_path / "c").glob("*.npy")]) == 2


def test_images_that_do_not_fit_into_memory_go_to_the_users_cache(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_images, "physical_memory", lambda: 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert bank(root, None).images.mapped_file is not None
    assert [*(tmp_path / "user").rglob("*.npy")]


def test_images_of_another_size_are_named_and_nothing_is_left(root: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((5, 9), np.uint8)).save(root / "b" / "0.png")
    dataset = ImageFolderDataset(root, "training", cache_dir=tmp_path / "c", cache_rate=0.0)
    names = [Path(item["image"]).name for item in dataset.data]
    if "0.png" in names:
        with pytest.raises(ValueError, match=r"0\.png"):
            ClassBank.from_dataset(dataset)
        assert not [*(tmp_path / "c").glob("*.npy")]
