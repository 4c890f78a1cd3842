"""Values that follow from a large file: read once, again when the file changes, computed again when damaged."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_distill.data import ClassBank, class_bank, image_cache
from monai_distill.data.datasets import NPZDataset
from monai_distill.data.prepared_images import PreparedImages
from monai_distill.runtime import checksums, remembered
from monai_distill.runtime.remembered import file_stamp


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (checksums, class_bank, image_cache):
        monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(remembered, "RECENT", -1.0)  # files of this test changed a moment ago
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _stored(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "monai_distill" / "checksums").glob("*.json"))


def _checksum(path: Path) -> str:
    checksums._digest.cache_clear()  # as in another process
    return checksums.file_checksum(path)


def test_a_file_is_read_once_and_again_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where size and time of modification stay the same: the time of the change of status does not."""
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    before = file.stat()
    first = _checksum(file)
    with monkeypatch.context() as patch:
        patch.setattr(checksums.hashlib, "file_digest", None)  # reading it again would fail
        assert _checksum(file) == first
    file.write_bytes(b"new")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _checksum(file) != first


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "RECENT", 60.0)
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    assert file_stamp(file) is None
    _checksum(file)
    assert not _stored(tmp_path)


@pytest.mark.parametrize("damage", ["", "{", '{"value": "wrong", "sha256": "", "job": {}}', "[1]"])
def test_a_damaged_store_is_computed_again(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    first = _checksum(file)
    (stored,) = _stored(tmp_path)
    stored.write_text(damage)
    assert _checksum(file) == first
    stored.write_text(stored.read_text().replace(first, "0" * 64))  # a value that does not have its checksum
    assert _checksum(file) == first


def test_without_a_writable_cache_it_only_takes_longer(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    assert len(_checksum(file)) == 64


def _npz(path: Path, seed: int) -> Path:
    generator = np.random.default_rng(seed)
    arrays = {}
    for name, count in (("train", 12), ("test", 5)):
        arrays[f"{name}_images"] = generator.integers(0, 255, (count, 8, 8), dtype=np.uint8)
        arrays[f"{name}_labels"] = np.arange(count) % 2
    np.savez(path, **arrays)
    return path


def _facts(folder: Path) -> list[object]:
    """Hashes and fingerprints, with a section that is a part of an array."""
    banks = [ClassBank.from_dataset(NPZDataset(folder, s, file="a.npz")) for s in ("training", "validation", "test")]
    return [fact for bank in banks for fact in (bank.image_hashes(), bank.fingerprint())]


def test_hashes_of_images_are_those_of_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored ones equal computed ones; another file, another section and other labels have their own."""
    _npz(tmp_path / "a.npz", 0)
    with monkeypatch.context() as patch:
        patch.setattr(class_bank, "LARGE", 2**60)
        computed = _facts(tmp_path)
    assert not [a for a in _stored(tmp_path) if "image hashes" in a.read_text()]
    assert _facts(tmp_path) == computed
    assert len([a for a in _stored(tmp_path) if "image hashes" in a.read_text()]) == 3
    with monkeypatch.context() as patch:
        patch.setattr(class_bank, "_float_array", None)  # computing them again would fail
        assert _facts(tmp_path) == computed
    _npz(tmp_path / "a.npz", 1)
    others = _facts(tmp_path)
    assert all(other != fact for other, fact in zip(others, computed, strict=True))
    bank = ClassBank.from_dataset(NPZDataset(tmp_path, "test", file="a.npz"))
    assert ClassBank(bank.images, 1 - bank.labels, bank.class_names).fingerprint() != bank.fingerprint()


def test_prepared_images_have_no_stored_hashes() -> None:
    """Their values are not those of the file."""
    images = PreparedImages(torch.zeros(3, 4, 4, dtype=torch.uint8), source="file")
    assert images.job is not None
    assert images.mapped(lambda batch: batch + 1).job is None
    assert images.subset(torch.tensor([0, 2])).job != images.job
    assert images.gathered(torch.tensor([0, 2])).job is None
    assert images.placed("cpu").job == images.job


def test_a_cached_array_is_checked_again_when_its_file_changed(tmp_path: Path) -> None:
    """A changed value with the same size is found, and the array is written again."""
    job, shape, kind = {"source": "a"}, (4, 4), np.dtype("uint8")
    folder = tmp_path / "images"
    array = image_cache.cached_array(folder, job, shape, kind, lambda part: part.fill(1))
    file = Path(str(array.filename))
    image_cache.cached_array(folder, job, shape, kind, lambda part: part.fill(2))
    content = bytearray(file.read_bytes())
    content[-1] = 7
    file.write_bytes(content)
    again = image_cache.cached_array(folder, job, shape, kind, lambda part: part.fill(3))
    assert set(again.flatten().tolist()) == {3}
