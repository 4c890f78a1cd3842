"""A finished run in a folder, made by hand: every figure that a report may draw from is known."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import SyntheticDataset
from monai_distill.export.report import save_report
from monai_distill.export.report.records import RunRecords
from monai_distill.transforms import Standardize

EVIL = "<script>alert(1)</script>"
NAMES = ("normal", EVIL, 'a"b & c')
Changed = Callable[..., Path]


def metric(mean: float | None, std: float | None = 0.01, students: int = 5) -> dict[str, Any]:
    interval = None if mean is None or std is None else [mean - std, mean + std]
    return {"mean": mean, "std": std, "interval95": interval, "values": [mean] * students}


def row(mean: float, std: float = 0.01, **others: Any) -> dict[str, Any]:
    named = {name: metric(mean, std) for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc")}
    return {**named, "student_lr": 0.01, **others}


def scores(**changes: Any) -> dict[str, Any]:
    """The scores of a good set; a value of None takes a key away."""
    plain = {
        "dataset": "scans",
        "distilled": row(0.8),
        "random": row(0.6),
        "full": row(0.9),
        "prior": {"accuracy": 0.4},
        **changes,
    }
    return {key: value for key, value in plain.items() if value is not None}


def manifest(**changes: Any) -> dict[str, Any]:
    plain = {
        "dataset": "scans",
        "method": "mtt",
        "images_per_class": 2,
        "initial_images": "noise",
        "network": {"_target_": "monai_distill.networks.nets.convnet.ConvNet", "width": 32},
        "augmentation": {"operations": ["crop"]},
        "settings": {"iterations": 20, "method": {"experts": 4}},
        "protocol": {"students": {"steps": 50, "augmentation": {"operations": ["crop"]}}, "test": "looked at once"},
        "seeds": {"run": 7, "students": 5},
        "chosen_iteration": 20,
        "versions": {"monai_distill": "0.1.0", "torch": "2.11.0"},
        "source": {
            "name": "Scans of " + EVIL,
            "license": "CC BY 4.0",
            "citation": "Somebody, 2020, https://example.org/paper",
            "official": True,
            "files": {f"/data/{EVIL}.npz": "sha256:00"},
            "counts": {"training": [1000, 1200, 1400], "validation": [50, 50, 50], "test": [200, 200, 300]},
        },
        **changes,
    }
    return {key: value for key, value in plain.items() if value is not None}


HISTORY = {
    "iterations": [{"iteration": i, "loss": 1 / i, "student_lr": 0.01 * i} for i in range(1, 21)],
    "validations": [{"iteration": i, "accuracy": i / 40, "balanced_accuracy": i / 50} for i in (10, 20)],
}


EVERYTHING = scores(
    controls={"herding": row(0.5), "soft_label_random": row(0.7)},
    clinical={
        "classes": list(NAMES),
        "images": [200, 200, 300],
        "sensitivity": [metric(0.7), metric(0.8), metric(None, None)],
        "specificity": [metric(0.9)] * 3,
        "auroc": [metric(0.9)] * 3,
        "confusion": [[150.5, 25, 24.5], [10, 180, 10], [0, 0, 0]],
        "calibration": {"expected": metric(0.12)},
        "auroc_bootstrap": {"value": 0.91, "interval": [0.9, 0.92], "unit": "patient"},
        "subgroups": {"site": {EVIL: {"images": 40, **row(0.5)}}},
        "controls": {"random": {"sensitivity": [metric(0.5)] * 3}},
    },
    protocols={
        "across": {
            "title": "Other architectures",
            "tables": [
                {
                    "title": f"By architecture {EVIL}",
                    "header": ["architecture", "accuracy", "parameters"],
                    "rows": [["convnet", metric(0.8), 12], ["vit", metric(0.55), None]],
                }
            ],
            "charts": [
                {
                    "kind": "heat_map",
                    "rows": ["convnet", EVIL],
                    "columns": ["accuracy,\ndistilled", "accuracy,\nrandom"],
                    "values": [[0.8, 0.6], [0.55, None]],
                    "alt": f"Scores of every architecture: convnet 0.8, {EVIL} 0.55.",
                    "caption": "Mean score.",
                }
            ],
            "networks": ["convnet", "vit"],
        },
        "memory": {
            "title": "Learning class after class",
            "paragraphs": ["Accuracy on all classes seen so far."],
            "tables": [{"title": "Steps", "header": ["classes", "accuracy"], "rows": [["3", metric(0.81)]]}],
            "charts": [
                {
                    "kind": "lines",
                    "rows": ["distilled", "random"],
                    "values": [[0.9, 0.81], [0.8, 0.5]],
                    "label": "accuracy",
                    "alt": "Accuracy over the steps falls.",
                    "caption": "After every step.",
                }
            ],
        },
    },
    cost={"seconds": {"experts": 12.5}, "peak_memory_mib": 700.0},
)


def write_run(folder: Path, images_per_class: int = 2, label_logits: Any = None, **files: Any) -> Path:
    """A run folder; ``manifest``, ``scores``, ``history``, ``audit``, ``ledger`` replace its files."""
    labels = torch.arange(3).repeat_interleave(images_per_class)
    data = SyntheticDataset(
        torch.rand((len(labels), 1, 8, 8), generator=torch.Generator().manual_seed(0)),
        labels,
        NAMES,
        label_logits=label_logits,
        preprocessing=Standardize([0.5], [0.2], spatial_dims=2),
    )
    content = {"scores": scores(), "history": HISTORY, **files}
    data.save(folder, content.pop("manifest", manifest()))
    for name, value in content.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Changed:
    """Writes a run folder that a test may change."""
    return functools.partial(write_run, tmp_path)


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a run with every protocol; made once."""
    return save_report(write_run(tmp_path_factory.mktemp("everything"), scores=EVERYTHING)).read_text()


@pytest.fixture
def records(run: Changed) -> Callable[..., RunRecords]:
    """The same as records."""
    return lambda **files: RunRecords.read(run(**files))
