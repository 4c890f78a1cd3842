"""The npz file, as the medmnist package reads it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import medmnist
import medmnist.dataset
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from monai_distill.data import SyntheticDataset
from monai_distill.data.datasets import NPZDataset
from monai_distill.export.release.formats.npz import EightBit, write_npz
from monai_distill.export.release.formats.reading import read_release
from tests.export.release.conftest import SHAPES, MakeRun

ABOUT = {"title": "the digits", "license": "CC BY 4.0"}


def written(run: Path) -> SyntheticDataset:
    data = SyntheticDataset.load(run)
    write_npz(data, run, ABOUT)
    return data


@pytest.mark.parametrize("kind", SHAPES)
def test_the_medmnist_package_reads_it(kind: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(kind)
    data = written(run)
    base: Any = medmnist.dataset.MedMNIST3D if kind == "volume" else medmnist.dataset.MedMNIST2D
    monkeypatch.setitem(medmnist.dataset.INFO, "synthetic", json.loads((run / "medmnist_info.json").read_text()))
    found = type("Synthetic", (base,), {"flag": "synthetic"})("train", root=str(run))
    assert len(found) == 4
    assert len(type(found)("val", root=str(run))) == len(type(found)("test", root=str(run))) == 0
    assert "SYNTHETIC" in repr(found)
    scale = EightBit.of(data.pixels())
    expected = scale.to_bytes(data.pixels().movedim(1, -1))
    for number in range(4):
        image, label = found[number]
        stored = image[0] * 255 if kind == "volume" else np.asarray(image)
        assert np.allclose(stored, expected[number].squeeze())
        assert label.tolist() == [[0], [0], [1], [1]][number]
    batches = DataLoader(found, batch_size=4, collate_fn=lambda items: [label for _, label in items])
    assert np.concatenate(next(iter(batches))).tolist() == [0, 0, 1, 1]


def test_medmnists_own_class_opens_it_under_the_name_of_its_file(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("gray")
    written(run)
    shutil.copy(run / "synthetic.npz", tmp_path / "pneumoniamnist.npz")
    found = medmnist.PneumoniaMNIST("train", root=str(tmp_path))
    assert found.imgs.shape == (4, 6, 5)
    assert found[3][0].size == (5, 6)


@pytest.mark.parametrize("kind", SHAPES)
def test_read_back_it_is_the_set_but_for_rounding(kind: str, make_run: MakeRun) -> None:
    run = make_run(kind)
    data = written(run)
    held = read_release(run, "npz")
    step = (float(data.pixels().max()) - float(data.pixels().min())) / 255
    apart = (held.pixels() - data.pixels()).abs().max()
    assert 0 < float(apart) <= step / 2 + 1e-5
    assert torch.allclose(held.images, data.images, atol=step / 2 / 0.25 + 1e-4)
    assert torch.equal(held.labels, data.labels)
    assert (held.class_names, float(held.student_lr)) == (data.class_names, float(data.student_lr))


def test_learned_labels_become_the_most_likely_class(make_run: MakeRun) -> None:
    run = make_run(soft=True)
    written(run)
    held = read_release(run, "npz")
    assert not held.soft
    assert held.labels.tolist() == [0, 0, 1, 0]


def test_this_projects_own_reader_takes_its_training_part(make_run: MakeRun) -> None:
    run = make_run("rgb")
    written(run)
    with np.load(run / "synthetic.npz", allow_pickle=False) as arrays:
        kept = {key: arrays[key] for key in ("train_images", "train_labels")}
    np.savez(run / "again.npz", **kept, test_images=kept["train_images"], test_labels=kept["train_labels"])
    assert NPZDataset(run, "test", file="again.npz")[0]["image"].shape == (3, 6, 5)


def test_the_same_set_gives_the_same_bytes(make_run: MakeRun) -> None:
    run = make_run()
    written(run)
    first = (run / "synthetic.npz").read_bytes()
    written(run)
    assert (run / "synthetic.npz").read_bytes() == first


def test_a_pickle_in_it_is_not_opened(make_run: MakeRun) -> None:
    run = make_run()
    written(run)
    with np.load(run / "synthetic.npz") as arrays:
        kept = dict(arrays)
    np.savez(run / "synthetic.npz", **{**kept, "class_names": np.array([{"a": 1}, "b"], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        read_release(run, "npz")
