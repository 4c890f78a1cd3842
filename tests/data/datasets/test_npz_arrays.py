"""Arrays of .npz files that do not fit into memory are mapped and hold what numpy loads."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_distill.data import ClassBank
from monai_distill.data.datasets import NPZDataset, npz_arrays
from monai_distill.data.datasets.npz_arrays import fits_memory, hand_on_arrays, mapped_array
from monai_distill.data.datasets.npz_reading import read_section
from monai_distill.data.datasets.split_rule import SplitRule
from monai_distill.data.prepared_images import PreparedImages


def arrays(count: int = 12) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {}
    for prefix in ("train", "val", "test"):
        made[f"{prefix}_images"] = generator.integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)
        made[f"{prefix}_labels"] = np.arange(count)[:, None] % 3
    return made


@pytest.fixture(params=[np.savez, np.savez_compressed], ids=["stored", "compressed"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    request.param(tmp_path / "x.npz", **arrays())
    return tmp_path / "x.npz"


def test_a_mapped_array_holds_what_numpy_loads(path: Path, tmp_path: Path) -> None:
    for key, array in arrays().items():
        mapped = mapped_array(path, key, tmp_path / "cache")
        assert isinstance(mapped, np.memmap)
        assert np.array_equal(mapped, array)
        assert mapped.dtype == array.dtype


def test_a_changed_file_is_read_again(path: Path, tmp_path: Path) -> None:
    mapped_array(path, "train_images", tmp_path / "cache")
    changed = {**arrays(), "train_images": arrays()["train_images"][::-1].copy()}
    np.savez_compressed(path, **changed)
    assert np.array_equal(mapped_array(path, "train_images", tmp_path / "cache"), changed["train_images"])


@pytest.mark.parametrize("change", ["written", "replaced", "removed"])
def test_a_mapped_file_that_is_written_to_is_refused(tmp_path: Path, change: str) -> None:
    """One that another file takes the place of stays readable: the mapping holds the old one."""
    path = tmp_path / "x.npz"
    np.savez(path, **arrays())
    images = PreparedImages(mapped_array(path, "train_images"), channel_axis=-1).subset(torch.tensor([1, 3]))
    before = images[:]
    if change == "written":
        content = path.read_bytes()
        os.utime(path, ns=(1, 1))  # so that the clock's step does not hide the change
        path.write_bytes(content[: len(content) // 2] + bytes(100) + content[len(content) // 2 + 100 :])
        with pytest.raises(RuntimeError, match="written to"):
            images.subset(torch.tensor([0]))[:]
        return
    if change == "replaced":
        np.savez(tmp_path / "y.npz", **{name: array + 1 for name, array in arrays().items()})
        (tmp_path / "y.npz").replace(path)
    else:
        path.unlink()
    assert torch.equal(images[:], before)


def test_an_array_is_handed_on_once(path: Path) -> None:
    """From a plan to its run: read again after that, and where the file has changed."""
    with hand_on_arrays():
        planned = read_section(path, "training", SplitRule()).images
    assert read_section(path, "test", SplitRule()).images is not planned
    assert read_section(path, "training", SplitRule()).images is planned
    assert read_section(path, "training", SplitRule()).images is not planned
    with hand_on_arrays():
        read_section(path, "training", SplitRule())
    changed = arrays()["train_images"][::-1].copy()
    np.savez(path, **{**arrays(), "train_images": changed})
    assert np.array_equal(read_section(path, "training", SplitRule()).images, changed)


@pytest.mark.parametrize(
    "array", [np.array([{}], dtype=object), np.asfortranarray(np.ones((3, 2)))], ids=["pickle", "f"]
)
def test_arrays_that_cannot_be_mapped_are_named(tmp_path: Path, array: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", odd=array)
    with pytest.raises(ValueError, match="odd of"):
        mapped_array(tmp_path / "x.npz", "odd")


@pytest.mark.parametrize("section", ["training", "validation", "test"])
@pytest.mark.parametrize("drawn", [False, True], ids=["given", "drawn"])
def test_a_dataset_that_is_mapped_gives_the_same_bank(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, drawn: bool
) -> None:
    if drawn:
        np.savez_compressed(path, **{k: v for k, v in arrays().items() if not k.startswith("val")})
    split = SplitRule(val_frac=0.25, seed=1)

    def bank() -> ClassBank:
        return ClassBank.from_dataset(
            NPZDataset(tmp_path, section, file="x.npz", split=split, cache_dir=tmp_path / "cache", cache_rate=0.0)
        )

    assert fits_memory(path)
    loaded = bank()
    monkeypatch.setattr(npz_arrays, "physical_memory", lambda: 1)
    assert not fits_memory(path)
    mapped = bank()
    assert mapped.fingerprint() == loaded.fingerprint()
    assert mapped.image_hashes() == loaded.image_hashes()
    assert mapped.images.mapped_file is not None


def test_the_bank_of_an_array_is_the_bank_of_its_items(path: Path, tmp_path: Path) -> None:
    dataset = NPZDataset(tmp_path, "test", file="x.npz")
    assert ClassBank.from_dataset(dataset).fingerprint() == ClassBank.from_dataset([*dataset]).fingerprint()
