"""The made data of tests/data, for whole runs on it, and a run through the command at smoke size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from monai_distill.cli import main
from monai_distill.configuration.files import config_dir
from tests.data.conftest import cifar_root, covid_root, folder_root, mhist_root, mnist_root, npz_root, table_root

__all__ = [
    "cifar_root",
    "covid_root",
    "families_of",
    "folder_root",
    "mhist_root",
    "mnist_root",
    "npz_root",
    "table_root",
]

SMALLEST = {
    "validation_students": 1,
    "validation_steps": 1,
    "students": 1,
    "evaluation_steps": 1,
    "full_students": 1,
    "full_steps": 1,
    "width": 4,
    "depth": 2,
    "iterations": 3,
    "validate_every": 3,
}


def families_of(method: str) -> set[str]:
    """The families that a method's configuration names."""
    named = yaml.safe_load((config_dir() / "methods" / f"{method}.yaml").read_text())["family"]
    return {named} if isinstance(named, str) else set(named)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """``run("dm", ...)`` does three iterations of everything on 48 made images and returns the scores."""
    pixels, arrays = np.random.RandomState(0), {}
    for part, count in (("train", 36), ("val", 6), ("test", 6)):
        arrays[f"{part}_images"] = pixels.randint(0, 256, (count, 8, 8), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 3)[:, None].astype(np.uint8)
    np.savez(tmp_path / "made.npz", **arrays)
    made = {"dataset": "npz", "dataset_dir": tmp_path, "dataset_file": "made.npz"}

    def call(method: str, **settings: Any) -> dict[str, Any]:
        folder = tmp_path / "run"
        values = {**SMALLEST, **made, "method": method, "device": "cpu", "output_dir": folder, **settings}
        words = [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]
        assert main(["run", *words]) == 0
        return {"folder": folder, **json.loads((folder / "scores.json").read_text())}

    return call
