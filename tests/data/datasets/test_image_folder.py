"""ImageFolderDataset: class folders, split folders, what is refused."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_distill.data.datasets import ImageFolderDataset, SplitRule

Tools = dict[str, Callable[..., Any]]


def test_flat_and_nested_class_folders(folder_root: Path) -> None:
    parts = [ImageFolderDataset(folder_root, section) for section in ("training", "validation", "test")]
    assert sum(len(part) for part in parts) == 20
    assert parts[0].class_names == ("cat", "dog")
    assert parts[0].provenance["name"] == "folders"
    assert {item["label"] for item in parts[2]} == {0, 1}
    turned = ImageFolderDataset(folder_root, "test", class_names=["dog", "cat"])
    assert turned.class_names == ("dog", "cat")


def test_split_folders(tmp_path: Path, tools: Tools) -> None:
    for part, count in (("train", 10), ("test", 4)):
        for c, name in enumerate(("a", "b")):
            for i in range(count):
                tools["image"](tmp_path / part / name / f"{i}.png", seed=1000 * c + 100 * count + i)
    sizes = {s: len(ImageFolderDataset(tmp_path, s, split=SplitRule(0.2))) for s in ("training", "validation", "test")}
    assert sizes == {"training": 16, "validation": 4, "test": 8}
    for i in range(2):
        tools["image"](tmp_path / "val" / "ab"[i] / "0.png", seed=i)
    sizes = {s: len(ImageFolderDataset(tmp_path, s)) for s in ("training", "validation", "test")}
    assert sizes == {"training": 20, "validation": 2, "test": 8}
    tools["image"](tmp_path / "c" / "0.png")
    with pytest.raises(ValueError, match=r"both split folders \['test', 'train', 'val'\] and class folders \['c'\]"):
        ImageFolderDataset(tmp_path, "test")


def test_refuses_missing_classes(folder_root: Path) -> None:
    with pytest.raises(
        RuntimeError,
        match=r"Cannot find dataset directory .*bird, got the folders \[cat \(10 images\), dog",
    ):
        ImageFolderDataset(folder_root, "test", class_names=["bird", "cat"])
    with pytest.raises(RuntimeError, match=r"got the folders \[\] and \d+ images in none of them\. Expected CLASS/"):
        ImageFolderDataset(folder_root / "cat", "test")
    with pytest.raises(ValueError, match="at least two classes"):
        ImageFolderDataset(folder_root, "test", class_names=["cat"])


def test_left_out_files_and_folders_are_counted(folder_root: Path) -> None:
    (folder_root / "bird" / "deeper").mkdir(parents=True)
    for name in ("a.webp", "b.webp", "Thumbs.db", ".hidden"):
        (folder_root / "cat" / name).touch()
    with pytest.warns(UserWarning, match=r"Left out \['bird'\]: no image"):
        dataset = ImageFolderDataset(folder_root, "training")
    assert dataset.class_names == ("cat", "dog")
    assert dataset.left_out == dataset.provenance["left_out"] == {".webp files": 2}
