"""MedMNISTDataset: flags, sizes, checksums, downloads; no test touches the network."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import medmnist
import numpy as np
import pytest

from monai_distill.data.datasets import MedMNISTDataset
from monai_distill.runtime.checksums import file_checksum

Tools = dict[str, Callable[..., Any]]
SECTIONS = ("training", "validation", "test")


def test_warns_once_per_file_and_says_so_in_the_provenance(npz_root: Path) -> None:
    with pytest.warns(UserWarning, match=r"is not the published pneumoniamnist.npz: expected md5 \w+, got") as caught:
        datasets = [MedMNISTDataset(npz_root, section, flag="pneumoniamnist") for section in SECTIONS]
    assert len(caught) == 1
    assert [len(dataset) for dataset in datasets] == [12, 6, 6]
    for dataset in datasets:
        assert dataset.provenance["official"] is False
        digest = file_checksum(npz_root / "pneumoniamnist.npz")
        assert dataset.provenance["files"] == {"pneumoniamnist.npz": f"sha256:{digest}"}
        assert dataset.class_names == ("normal", "pneumonia")


def test_the_published_file_is_official_without_a_warning(npz_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    md5 = file_checksum(npz_root / "pathmnist.npz", "md5")
    monkeypatch.setitem(medmnist.INFO, "pathmnist", {**medmnist.INFO["pathmnist"], "MD5": md5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = MedMNISTDataset(
            npz_root, "training", flag="pathmnist", download=True
        )  # a file that is there is not downloaded
    assert dataset.provenance["official"] is True
    assert dataset.provenance["files"] == {"pathmnist.npz": f"md5:{md5}"}
    assert dataset.provenance["license"] == "CC BY 4.0"
    assert dataset.provenance["split"].startswith("official MedMNIST v2 split")


@pytest.mark.filterwarnings("ignore:.*is not the published:UserWarning")
@pytest.mark.parametrize(
    ("flag", "size", "file", "stored", "shape"),
    [
        ("pathmnist", 64, "pathmnist_64.npz", (64, 64, 3), (3, 64, 64)),
        ("breastmnist", 128, "breastmnist_128.npz", (128, 128), (1, 128, 128)),
        ("dermamnist", 224, "dermamnist_224.npz", (224, 224, 3), (3, 224, 224)),
        ("nodulemnist3d", 64, "nodulemnist3d_64.npz", (64, 64, 64), (1, 64, 64, 64)),
    ],
)
def test_sizes(tmp_path: Path, tools: Tools, flag: str, size: int, file: str, stored: Any, shape: Any) -> None:
    np.savez(tmp_path / file, **tools["npz_arrays"](stored))
    dataset = MedMNISTDataset(tmp_path, "test", flag=flag, size=size, cache_rate=0.0)
    assert tuple(dataset[0]["image"].shape) == shape
    assert dataset.get_num_classes() == len(medmnist.INFO[flag]["label"])


def test_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Unknown MedMNIST flag 'medmnist', available options are \['adrenal"):
        MedMNISTDataset(tmp_path, "test", flag="medmnist")
    with pytest.raises(ValueError, match=r"chestmnist is multi-label .*not supported.*NPZDataset"):
        MedMNISTDataset(tmp_path, "test", flag="chestmnist")
    with pytest.raises(ValueError, match=r"Unsupported size 128 of organmnist3d, available options are \[28, 64\]"):
        MedMNISTDataset(tmp_path, "test", flag="organmnist3d", size=128)
    with pytest.raises(RuntimeError, match=r"Cannot find dataset file: .*bloodmnist_64.npz.*use download=True.*zenodo"):
        MedMNISTDataset(tmp_path, "test", flag="bloodmnist", size=64)


def test_every_other_flag_is_known(tmp_path: Path) -> None:
    for flag in medmnist.INFO:
        if flag != "chestmnist":
            with pytest.raises(RuntimeError, match="Cannot find dataset file"):
                MedMNISTDataset(tmp_path, "test", flag=flag)


@pytest.mark.filterwarnings("ignore:.*is not the published:UserWarning")
def test_refuses_another_shape(tmp_path: Path, tools: Tools) -> None:
    np.savez(tmp_path / "breastmnist.npz", **tools["npz_arrays"]((20, 20)))
    with pytest.raises(ValueError, match=r"images of shape \(20, 20\), expected \(28, 28\) for breastmnist at size 28"):
        MedMNISTDataset(tmp_path, "test", flag="breastmnist")


@pytest.mark.filterwarnings("ignore:.*is not the published:UserWarning")
def test_grades_are_plain_classes_with_one_warning(tmp_path: Path, tools: Tools) -> None:
    np.savez(tmp_path / "retinamnist.npz", **tools["npz_arrays"]((28, 28, 3), classes=5))
    with pytest.warns(UserWarning, match="used as plain classes, unordered") as caught:
        datasets = [MedMNISTDataset(tmp_path, section, flag="retinamnist") for section in SECTIONS]
    assert sum("ordinal" in str(warning.message) for warning in caught) == 1
    assert datasets[0].class_names == ("0", "1", "2", "3", "4")


class FakeDownload:
    """Stands for medmnist's own class: writes a file, or fails as it does."""

    content: bytes | None = b"not what was published"

    def __init__(self, split: str, download: bool, root: str, size: int) -> None:
        if self.content is not None:
            Path(root, "bloodmnist.npz").write_bytes(self.content)
        raise RuntimeError("Automatic download failed!")


def test_a_damaged_download_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medmnist, "BloodMNIST", FakeDownload)
    with pytest.raises(RuntimeError, match=r"download of bloodmnist.npz is damaged: expected md5 .* download again"):
        MedMNISTDataset(tmp_path, "test", flag="bloodmnist", download=True)
    assert not (tmp_path / "bloodmnist.npz").exists()
    assert (tmp_path / "bloodmnist.npz.bad").is_file()
    monkeypatch.setattr(FakeDownload, "content", None)
    with pytest.raises(RuntimeError, match=r"Cannot download bloodmnist.npz from https://zenodo.*by hand"):
        MedMNISTDataset(tmp_path, "test", flag="bloodmnist", download=True)


def test_downloads_through_medmnist(npz_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, root = npz_root / "pathmnist.npz", tmp_path / "new"
    root.mkdir()

    class Good:
        def __init__(self, split: str, download: bool, root: str, size: int) -> None:
            shutil.copy(source, Path(root, "pathmnist.npz"))

    info = {**medmnist.INFO["pathmnist"], "MD5": file_checksum(source, "md5")}
    monkeypatch.setitem(medmnist.INFO, "pathmnist", info)
    monkeypatch.setattr(medmnist, "PathMNIST", Good)
    assert MedMNISTDataset(root, "validation", flag="pathmnist", download=True).provenance["official"] is True


def test_reads_real_pneumoniamnist(shared_data: Path, tmp_path: Path) -> None:
    # a copy of its own, as the warning is given once per file and process
    shutil.copyfile(shared_data / "pneumoniamnist.npz", tmp_path / "pneumoniamnist.npz")
    with pytest.warns(UserWarning, match="is not the published") as caught:
        datasets = [MedMNISTDataset(tmp_path, section, flag="pneumoniamnist") for section in SECTIONS]
    assert len(caught) == 1
    assert [len(dataset) for dataset in datasets] == [4708, 524, 624]
