"""The project's bundles, copied to where a test may run them, and made data in the layout of their data sets."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow

from tests.data.conftest import covid_root, mhist_root, npz_root

__all__ = ["covid_root", "mhist_root", "npz_root"]

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
DATA = {
    "digits_dataset_distillation": None,
    "bloodmnist_dataset_distillation": "npz_root",
    "pneumoniamnist_dataset_distillation": "npz_root",
    "pneumoniamnist_epsilon8_dataset_distillation": "npz_root",
    "pathmnist_dataset_distillation": "npz_root",
    "mhist_dataset_distillation": "mhist_root",
    "covid_cxr_dataset_distillation": "covid_root",
}
NAMES = tuple(DATA)
QUICK: dict[str, Any] = {
    "device": "cpu",
    "images_per_class": 1,
    "iterations": 4,
    "validate_every": 2,
    "validation_steps": 2,
    "validation_students": 2,
    "evaluation_steps": 3,
    "students": 2,
    "full_steps": 2,
    "full_students": 1,
}
TRAJECTORY = {"experts": 2, "expert_batch_size": 512, "max_start_epoch": 1, "expert_epochs": 1, "student_steps": 2}
SMALL = {"width": 4, "depth": 2, "device": "cpu"}  # these also hold for inference


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """``copied(NAME)`` is a copy of a bundle of the project, in a folder of another name."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(BUNDLES / name, tmp_path / "elsewhere" / name))

    return copy


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Callable[[str], tuple[dict[str, Any], dict[str, Any]]]:
    """``settings(NAME)``: what makes train (and evaluate), and inference, quick and small."""

    def chosen(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        shared: dict[str, Any] = dict(SMALL)
        if DATA[name] is not None:
            shared["dataset_dir"] = str(request.getfixturevalue(DATA[name]))
        if name.startswith(("mhist", "covid")):
            shared["image_size"] = [12, 12]
        by_experts = name.startswith(("digits", "pathmnist", "covid"))
        train = {**QUICK, **shared, **(TRAJECTORY if by_experts else {})}
        return train, shared

    return chosen


def workflow(root: Path, *configs: str, kind: str, **settings: Any) -> ConfigWorkflow:
    """The workflow of a bundle, not initialized; its logging.conf is left out because it would change later tests."""
    files = [str(root / "configs" / f"{name}.json") for name in configs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return ConfigWorkflow(
            config_file=files, workflow_type=kind, logging_file=False, bundle_root=str(root), **settings
        )


def run(made: ConfigWorkflow) -> ConfigWorkflow:
    """As MONAI's own checks of a bundle do: initialize, properties, run, finalize."""
    made.initialize()
    assert made.check_properties() == []
    made.run()
    made.finalize()
    return made
