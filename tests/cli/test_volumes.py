"""Volumes, from NIfTI files in a table to a score, with a task in them that the distilled set must have learnt."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from monai_distill.data import SyntheticDataset
from tests.configs.command import command, read
from tests.data.volumes import SHAPES, write_shaped_volumes

SETTINGS = {
    "spatial_dims": 3,
    "image_size": [10, 10, 10],
    "device": "cpu",
    "width": 8,
    "depth": 2,
    "iterations": 60,
    "validate_every": 30,
    "validation_steps": 60,
    "validation_students": 2,
    "evaluation_steps": 150,
    "students": 4,
    "full_students": 0,
}
METHODS = {
    "dm": {"batch_per_class": 28, "image_lr": 100},
    "datadam": {"batch_per_class": 28, "image_lr": 30},
    "mtt": {"experts": 6, "expert_lr": 0.05, "expert_batch_size": 8, "max_start_epoch": 5, "expert_epochs": 2}
    | {"student_steps": 10, "image_lr": 300, "student_lr": 0.03, "iterations": 100, "validate_every": 50},
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_distilled_volumes_train_better_than_as_many_real_ones(method: str, tmp_path: Path) -> None:
    data = write_shaped_volumes(tmp_path / "volumes", patients=40)
    words = ["--dataset", "table", "--dataset_dir", data, "--dataset_file", "scans.csv", "--method", method]
    words += [word for name, value in {**SETTINGS, **METHODS[method]}.items() for word in (f"--{name}", str(value))]
    outcome = command("run", *words, "--output_dir", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    scores = read(tmp_path / "run", "scores.json")
    assert tuple(SyntheticDataset.load(tmp_path / "run").images.shape) == (len(SHAPES), 1, 10, 10, 10)
    assert "by patient" in scores["source"]["split"]
    assert scores["distilled"]["accuracy"]["mean"] > scores["random"]["accuracy"]["mean"] + 0.05
    assert scores["distilled"]["accuracy"]["mean"] > scores["prior"]["accuracy"] + 0.2
