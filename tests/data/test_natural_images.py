"""MNIST and CIFAR-10, the sets for reproduction, and the digits."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_distill.data.datasets import CIFAR10Dataset, DigitsDataset, MNISTDataset

Tools = dict[str, Callable[..., Any]]
SECTIONS = ("training", "validation", "test")


def test_digits_split_is_the_same_for_every_run_seed() -> None:
    parts = [DigitsDataset(section, seed=seed) for section in SECTIONS for seed in (0, 5)]
    assert [len(part) for part in parts] == [1078, 1078, 362, 362, 357, 357]
    assert [item["label"] for item in parts[0]] == [item["label"] for item in parts[1]]
    assert [item["label"] for item in DigitsDataset("test", split_seed=1)] != [item["label"] for item in parts[4]]


def test_mnist_from_unpacked_files(mnist_root: Path) -> None:
    parts = {section: MNISTDataset(mnist_root, section, val_frac=0.25) for section in SECTIONS}
    assert {name: len(part) for name, part in parts.items()} == {"training": 30, "validation": 10, "test": 10}
    assert parts["test"].provenance["official"] is False
    assert "reproduction" in parts["test"].provenance["name"]


def test_mnist_refuses_damage(mnist_root: Path, tools: Tools) -> None:
    raw = mnist_root / "MNIST" / "raw"
    tools["idx"](raw / "train-labels-idx1-ubyte", tools["pixels"](39) % 10)
    with pytest.raises(RuntimeError, match="one label per image, got 39 and 40"):
        MNISTDataset(mnist_root, "training")
    (raw / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03 cut short")
    with pytest.raises(RuntimeError, match=r"Cannot read MNIST in .*expected the unpacked files"):
        MNISTDataset(mnist_root, "training")


def test_cifar10(cifar_root: Path) -> None:
    parts = {section: CIFAR10Dataset(cifar_root, section, val_frac=0.25) for section in SECTIONS}
    assert {name: len(part) for name, part in parts.items()} == {"training": 30, "validation": 10, "test": 10}
    assert parts["test"].class_names[0] == "airplane"
    assert parts["test"].provenance["files"]["data_batch_1"].startswith("md5:")


def test_reads_real_mnist_test_section(shared_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in (shared_data / "MNIST").glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    dataset = MNISTDataset(tmp_path, "test")
    assert len(dataset) == 10000
    assert dataset.provenance["official"] is True
    assert [item["label"] for item in dataset[:5]] == [7, 2, 1, 0, 4]
