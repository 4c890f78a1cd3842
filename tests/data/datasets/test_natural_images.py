"""MNIST and CIFAR-10, the sets for reproduction, and the digits."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import gzip
import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data.datasets import DigitsDataset, NaturalImageDataset, SplitRule, natural_images

Tools = dict[str, Callable[..., Any]]
SECTIONS = ("training", "validation", "test")


def test_digits_split_is_the_same_for_every_run_seed() -> None:
    parts = [DigitsDataset(section, seed=seed) for section in SECTIONS for seed in (0, 5)]
    assert [len(part) for part in parts] == [1078, 1078, 362, 362, 357, 357]
    assert [item["label"] for item in parts[0]] == [item["label"] for item in parts[1]]
    assert [item["label"] for item in DigitsDataset("test", split=SplitRule(0.2, 0.2, seed=1))] != [
        item["label"] for item in parts[4]
    ]


def test_mnist_from_unpacked_files(mnist_root: Path) -> None:
    parts = {
        section: NaturalImageDataset(mnist_root, section, name="mnist", split=SplitRule(0.25)) for section in SECTIONS
    }
    assert {name: len(part) for name, part in parts.items()} == {"training": 30, "validation": 10, "test": 10}
    assert parts["test"].provenance["official"] is False
    assert "reproduction" in parts["test"].provenance["name"]


def test_mnist_refuses_damage(mnist_root: Path, tools: Tools) -> None:
    raw = mnist_root / "MNIST" / "raw"
    tools["idx"](raw / "train-labels-idx1-ubyte", tools["pixels"](39) % 10)
    with pytest.raises(RuntimeError, match="got 39 labels and images \\(40, 28, 28\\)"):
        NaturalImageDataset(mnist_root, "training", name="mnist")
    (raw / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03 cut short")
    with pytest.raises(RuntimeError, match=r"Cannot read MNIST in .*expected the unpacked files"):
        NaturalImageDataset(mnist_root, "training", name="mnist")


def test_cifar10(cifar_root: Path, tools: Tools) -> None:
    parts = {
        section: NaturalImageDataset(cifar_root, section, name="cifar10", split=SplitRule(val_frac=0.2))
        for section in SECTIONS
    }
    assert {name: len(part) for name, part in parts.items()} == {"training": 40, "validation": 10, "test": 10}
    assert parts["test"].class_names[0] == "airplane"
    assert parts["test"].provenance["files"]["data_batch_1"].startswith("md5:")
    stored = tools["pixels"](10, 3072, seed=5)  # the test batch: planes of red, green and blue, row by row
    for i, item in enumerate(parts["test"]):
        assert item["label"] == i
        assert torch.equal(item["image"], torch.tensor(stored[i].reshape(3, 32, 32) / 255, dtype=torch.float32))


def test_cifar10_opens_no_pickle_but_the_published_ones(cifar_root: Path) -> None:
    (cifar_root / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(RuntimeError, match="data_batch_3"):
        NaturalImageDataset(cifar_root, "training", name="cifar10")


def test_unknown_name(mnist_root: Path) -> None:
    with pytest.raises(ValueError, match=r"'emnist'.*\['cifar10', 'mnist'\]"):
        NaturalImageDataset(mnist_root, "training", name="emnist")


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_download_unpacks_archives_that_have_the_published_md5(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = request.getfixturevalue("mnist_root" if name == "mnist" else "cifar_root")
    published, archives = natural_images.PUBLISHED[name], {}
    source = made / published.folder
    (tmp_path / "archives").mkdir()
    if name == "mnist":
        packed = [tmp_path / "archives" / f"{file}.gz" for file in published.files]
        for archive in packed:
            archive.write_bytes(gzip.compress((source / archive.stem).read_bytes()))
    else:
        packed = [tmp_path / "archives" / "cifar-10-python.tar.gz"]
        with tarfile.open(packed[0], "w:gz") as tar:
            tar.add(source, published.folder)
    archives = {archive.as_uri(): hashlib.md5(archive.read_bytes()).hexdigest() for archive in packed}
    monkeypatch.setitem(natural_images.PUBLISHED, name, dataclasses.replace(published, archives=archives))
    root = tmp_path / "new"
    root.mkdir()
    assert len(NaturalImageDataset(root, "test", name=name, download=True)) == 10
    packed[0].write_bytes(packed[0].read_bytes() + b"x")
    (tmp_path / "other").mkdir()
    with pytest.raises(RuntimeError, match="Cannot download"):
        NaturalImageDataset(tmp_path / "other", "test", name=name, download=True)


@pytest.mark.parametrize(("knows_filters", "expected"), [(True, {"filter": "data"}), (False, {})])
def test_an_archive_is_unpacked_by_every_supported_python(
    knows_filters: bool, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, given = tmp_path / "made.tar.gz", []
    with tarfile.open(file, "w:gz"):
        pass
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    if knows_filters:
        monkeypatch.setattr(tarfile, "data_filter", None, raising=False)
    monkeypatch.setattr(tarfile.TarFile, "extractall", lambda archive, path, **words: given.append((path, words)))
    natural_images._download(file.as_uri(), hashlib.md5(file.read_bytes()).hexdigest(), tmp_path / "folder")
    assert given == [(tmp_path, expected)]


def test_reads_real_mnist_test_section(shared_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in (shared_data / "MNIST").glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    dataset = NaturalImageDataset(tmp_path, "test", name="mnist")
    assert len(dataset) == 10000
    assert dataset.provenance["official"] is True
    assert [item["label"] for item in dataset[:5]] == [7, 2, 1, 0, 4]
