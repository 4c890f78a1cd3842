"""COVIDRadiographyDataset on a made copy of the layout, and on the open X-rays where they are."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from monai_distill.data.datasets import COVIDRadiographyDataset
from monai_distill.data.reading import FileToImaged


def test_split_and_grey(covid_root: Path) -> None:
    parts = {section: COVIDRadiographyDataset(covid_root, section) for section in ("training", "validation", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"training": 28, "validation": 4, "test": 8}
    assert parts["test"].class_names == ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
    assert parts["test"].provenance["seed"] == 20260810
    assert "70/10/20" in parts["test"].provenance["split"]


def test_lung_masks(covid_root: Path) -> None:
    plain = COVIDRadiographyDataset(covid_root, "training")
    masked = COVIDRadiographyDataset(covid_root, "training", lung_masks=True)
    # the left half of the 16 columns of the mask is out: nearest puts the edge between columns 9 and 10 of 19
    assert torch.equal(masked[0]["image"][..., 10:], plain[0]["image"][..., 10:])
    assert not masked[0]["image"][..., :9].any()
    assert "mask" not in masked[0]
    shutil.rmtree(covid_root / "COVID" / "masks")
    with pytest.raises(RuntimeError, match=r"Cannot find 10 of 80 listed files .*COVID/masks/COVID-1.png.*with masks/"):
        COVIDRadiographyDataset(covid_root, "training", lung_masks=True)


def test_unpacked_folder_in_between(covid_root: Path) -> None:
    outer = covid_root.parent / "outer"
    outer.mkdir()
    covid_root.rename(outer / "COVID-19_Radiography_Dataset")
    assert len(COVIDRadiographyDataset(outer, "test", reading=FileToImaged(8, channels=1))) == 8


def test_refuses_missing_classes(covid_root: Path) -> None:
    shutil.rmtree(covid_root / "Normal")
    with pytest.raises(RuntimeError, match=r"Cannot find dataset directory .*/Normal, got .*kaggle"):
        COVIDRadiographyDataset(covid_root, "test")
    assert len(COVIDRadiographyDataset(covid_root, "test", class_names=("COVID", "Lung_Opacity"))) == 4


def test_reads_the_open_x_rays(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "covid_cxr_open.zip") as archive:
        archive.extractall(tmp_path)
    with pytest.raises(ValueError, match=r"Images differ in size: .*pass image_size"):
        COVIDRadiographyDataset(tmp_path, "validation", class_names=("COVID", "Other"))
    parts = [
        COVIDRadiographyDataset(tmp_path, section, class_names=("COVID", "Other"), reading=FileToImaged(32, channels=1))
        for section in ("training", "validation", "test")
    ]
    assert sum(len(part) for part in parts) == 268
    assert tuple(parts[0][0]["image"].shape) == (1, 32, 32)
    assert parts[0].provenance["license"] == "unknown"
