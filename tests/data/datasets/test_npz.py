"""NPZDataset: shapes, types, keys, damage."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_distill.data.dataset_reading import read_dataset
from monai_distill.data.datasets import NPZDataset, SplitRule
from monai_distill.data.datasets.section_dataset import DataSource
from monai_distill.data.reading.fitting import fitted

Tools = dict[str, Callable[..., Any]]


def save(root: Path, arrays: dict[str, Any], **changes: Any) -> Path:
    merged = {**arrays, **changes}
    np.savez(root / "a.npz", **{key: value for key, value in merged.items() if value is not None})
    return root


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ((5, 4), (1, 5, 4)),
        ((5, 4, 1), (1, 5, 4)),
        ((5, 4, 3), (3, 5, 4)),
        ((6, 5, 4), (1, 6, 5, 4)),
        ((6, 5, 4, 1), (1, 6, 5, 4)),
    ],
)
def test_shapes(tmp_path: Path, tools: Tools, stored: tuple[int, ...], expected: tuple[int, ...]) -> None:
    arrays = tools["npz_arrays"](stored)
    dataset = NPZDataset(save(tmp_path, arrays), "test", file="a.npz")
    assert tuple(dataset[0]["image"].shape) == expected
    raw = torch.from_numpy(arrays["test_images"][2].astype(np.float32) / 255)
    moved = raw.movedim(-1, 0) if stored[-1] in (1, 3) else raw[None]
    assert torch.equal(dataset[2]["image"], moved)
    assert dataset.class_names == ("class 0", "class 1")
    assert dataset.provenance["official"] is False


def test_float_images_and_float_labels(tmp_path: Path, tools: Tools) -> None:
    arrays = tools["npz_arrays"]((4, 4))
    floats = {key: value / 255.0 if "images" in key else value[:, 0].astype(float) for key, value in arrays.items()}
    dataset = NPZDataset(save(tmp_path, floats), "training", file="a.npz", class_names=["no", "yes"])
    reference = NPZDataset(save(tmp_path, arrays), "training", file="a.npz")
    assert [item["label"] for item in dataset] == [0, 1] * 6
    assert dataset[1]["class_name"] == "yes"
    torch.testing.assert_close(dataset[3]["image"], reference[3]["image"])


@pytest.mark.parametrize(("stored", "size"), [((12, 8, 3), [6, 4]), ((12, 8), 4), ((12, 8, 4), [6, 4, 2])])
def test_images_are_resized(tmp_path: Path, tools: Tools, stored: tuple[int, ...], size: Any) -> None:
    """Items and the images of a run are the same, and those that the transform of files would make."""
    arrays = tools["npz_arrays"](stored)
    dataset = NPZDataset(save(tmp_path, arrays), "test", file="a.npz", image_size=size)
    whole = NPZDataset(tmp_path, "test", file="a.npz")
    sides = tuple(size) if isinstance(size, list) else (size, size)
    assert tuple(dataset[0]["image"].shape[1:]) == sides
    assert any("resized from 12 x 8" in note for note in dataset.notes)
    assert any("changes their proportions" in note for note in dataset.notes) == (size == 4)
    assert whole.notes == ()
    content, items = read_dataset(dataset), torch.stack([item["image"] for item in dataset])
    assert torch.equal(content.images[:], items)
    assert torch.equal(items[1], fitted(whole[1]["image"], sides, "stretch"))


def test_a_size_with_other_axes_is_refused(tmp_path: Path, tools: Tools) -> None:
    root = save(tmp_path, tools["npz_arrays"]((12, 6)))
    with pytest.raises(ValueError, match="has 3 numbers"):
        NPZDataset(root, "test", file="a.npz", image_size=[6, 6, 6])


@pytest.mark.parametrize("size", [0, [0, 6], [-4, 6], [6, "a"], [6.0, 6.0], True])
def test_what_is_no_size_is_refused(tmp_path: Path, tools: Tools, size: Any) -> None:
    root = save(tmp_path, tools["npz_arrays"]((12, 6)))
    with pytest.raises(ValueError, match=r"image_size\[0\] as a whole number|image_size\[1\] as a whole number"):
        NPZDataset(root, "test", file="a.npz", image_size=size)


def test_resized_images_are_stored_once_in_a_given_folder(tmp_path: Path, tools: Tools) -> None:
    root, cache = save(tmp_path, tools["npz_arrays"]((12, 8)), val_images=None, val_labels=None), tmp_path / "cache"

    def images(section: str, **options: Any) -> torch.Tensor:
        options = {"split": SplitRule(0.34), "image_size": 4, **options}
        return read_dataset(NPZDataset(root, section, file="a.npz", **options)).images[:]

    for section in ("training", "validation"):  # rows of one array
        assert torch.equal(images(section, cache_dir=cache), images(section))
    assert len(list(cache.glob("*.npy"))) == 2
    before = {file: file.stat().st_mtime_ns for file in cache.glob("*.npy")}
    assert torch.equal(images("training", cache_dir=cache), images("training"))
    assert {file: file.stat().st_mtime_ns for file in cache.glob("*.npy")} == before
    assert images("training", cache_dir=cache, image_size=6).shape[2:] == (6, 6)


def test_validation_is_split_off_where_absent(tmp_path: Path, tools: Tools) -> None:
    root = save(tmp_path, tools["npz_arrays"]((4, 4)), val_images=None, val_labels=None)
    training, validation = (
        NPZDataset(root, name, file="a.npz", split=SplitRule(0.34)) for name in ("training", "validation")
    )
    assert (len(training), len(validation)) == (8, 4)
    assert "stratified 0.34 of the training part" in training.provenance["split"]
    assert training.provenance["seed"] == 0
    hashes = [{item["image"].numpy().tobytes() for item in part} for part in (training, validation)]
    assert not hashes[0] & hashes[1]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"train_labels": None}, r"lacks the keys \['train_labels'\].*got \['train_images'"),
        ({"val_labels": None}, r"lacks the keys \['val_labels'\]"),
        ({"train_labels": np.zeros((12, 3))}, "multi-label data is not supported"),
        ({"train_labels": np.array([["a"]] * 12)}, "train_labels of .*expected numbers of shape"),
        ({"train_labels": np.array([0.5, np.nan, -1, 1] * 3)}, r"9 other value\(s\): 0.5 at 0, nan at 1, -1.0 at 2"),
        ({"train_labels": np.zeros(5)}, r"one image per label, got shape \(12, 4, 4\) and 5 labels"),
        ({"train_images": np.zeros((12, 4), np.uint8)}, r"expected shape \[n, H, W\].*got \(12, 4\)"),
        ({"train_images": np.zeros((12, 4, 4), np.int32)}, "expected uint8, or floats"),
        ({"train_images": np.full((12, 4, 4), 7.0)}, r"expected floats in \[0, 1\], got 7.0 to 7.0"),
        ({"train_images": np.full((12, 4, 4), np.nan)}, r"expected floats in \[0, 1\], got nan"),
        (
            {"train_images": np.array([{}] * 12, dtype=object)},
            "cannot read train_images of .*Python objects, which are",
        ),
        ({"train_labels": np.zeros(12), "val_labels": np.zeros(6), "test_labels": np.zeros(6)}, "at least two classes"),
        (
            {"train_images": np.zeros((0, 4, 4), np.uint8), "train_labels": np.zeros(0)},
            "'training' of NPZDataset is empty",
        ),
    ],
)
def test_refuses(tmp_path: Path, tools: Tools, changes: dict[str, Any], match: str) -> None:
    root = save(tmp_path, tools["npz_arrays"]((4, 4)), **changes)
    with pytest.raises(ValueError, match=match):
        NPZDataset(root, "training", file="a.npz")


def test_refuses_damage(tmp_path: Path, tools: Tools) -> None:
    path = save(tmp_path, tools["npz_arrays"]((4, 4))) / "a.npz"
    whole = path.read_bytes()
    at = whole.index(b"train_images") + 150
    for damaged, match in (
        (b"hello", "is not an .npz archive, or it is cut short: .*train_images"),
        (whole[: len(whole) // 2], "is not an .npz archive, or it is cut short"),
        (whole[:at] + bytes(20) + whole[at + 20 :], "cannot read train_images of .*a.npz"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=match):
            NPZDataset(tmp_path, "training", file="a.npz")
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"b.npy is not an .npz archive"):
        NPZDataset(tmp_path, "training", file="b.npy")


def test_refuses_labels_without_a_name(tmp_path: Path, tools: Tools) -> None:
    root = save(tmp_path, tools["npz_arrays"]((4, 4), classes=3))
    with pytest.raises(
        ValueError, match=r"holds the label 2, expected labels 0 to 1 .*\(in this section at \[2, 5, 8, 11\]"
    ):
        NPZDataset(root, "training", file="a.npz", class_names=["a", "b"])
    with pytest.raises(ValueError, match="distinct class names"):
        NPZDataset(root, "training", file="a.npz", class_names=["a", "a", "b"])


def test_reads_real_bloodmnist(shared_data: Path) -> None:
    dataset = NPZDataset(
        shared_data, "validation", file="bloodmnist_own_split.npz", source=DataSource("BloodMNIST, own split")
    )
    assert len(dataset) == 1712
    assert dataset.get_num_classes() == 8
    assert tuple(dataset[0]["image"].shape) == (3, 28, 28)
    assert dataset.provenance["name"] == "BloodMNIST, own split"
