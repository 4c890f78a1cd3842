"""Finished runs at the smallest size, made by hand, and students that cost nothing."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import SyntheticDataset
from monai_distill.data.set_manifest import images_sha256
from monai_distill.export.release import Release
from monai_distill.export.release.scan import IdentifyingWords
from monai_distill.export.release.tier import bounds
from monai_distill.transforms import Standardize

SHAPES = {"gray": (1, 6, 5), "rgb": (3, 6, 5), "volume": (1, 4, 5, 6)}
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")
SOURCE = {
    "name": "Digits of the tests",
    "license": "CC BY 4.0",
    "citation": "Alpaydin 1998",
    "files": {"secret_listing.csv": "sha256:00"},
    "official": False,
    "split": "60/20/20",
    "counts": {"training": [123, 234]},
    "training_sha256": "feed" * 16,
}
ATTACK = {
    "auc": 0.51,
    "tpr_at_fpr": {"0.01": {"value": 0.012, "low": 0.004, "high": 0.021}},
    "positive_control": {"auc": 0.9, "seen": True},
    "negative_control": {"auc": 0.5, "seen": False},
    "groups": {"outliers": {"auc": 0.5, "tpr_at_fpr": {}}},
    "seen": False,
    "caught": False,
}
SHA = "5e7" * 8
AUDIT = {
    "void": False,
    "why_void": None,
    "shadows": 16,
    "set_sha256": SHA,
    "shadow_settings": {},
    "attacks": {"nearest_neighbor": ATTACK, "copies": {**ATTACK, "tpr_at_fpr": {}}},
    "released_set": {
        "seen": False,
        "copied": 0,
        "references": 60,
        "attacks": {
            "nearest_neighbor": {"auc": 0.5, "void": False, "caught": False, "control": {"auc": 0.5, "seen": False}}
        },
    },
    "epsilon_lower_bound": 0.5,
    "statement": "no leakage detected by these attacks at this power",
    "candidates": {"images": 4711},
    "pairs": ["kept inside"],
}
PROMISE = {"tier": "T2", "unit": "patient", "epsilon": 3.0, "delta": 1e-5, "statement": "as the ledger says"}
LEDGER = {
    "events": [
        {
            "mechanism": "gaussian",
            "purpose": "class sums and counts",
            "noise_multiplier": 1.3866,
            "rate": 1.0,
            "steps": 1,
        }
    ],
    "released": ["class sums and counts"],
    "epsilon": 3.0,
    "delta": 1e-5,
    "unit": "patient",
    "set_sha256": SHA,
    "neighbors": "one patient added or removed",
    "accountant": "dp-accounting 0.6.0, privacy loss distribution",
    "epsilon_by_renyi_cross_check": 3.3,
    "budget": {"epsilon": 3.0, "delta": 1e-5},
    "true_positive_rate_at_most": bounds(3.0, 1e-5),
}


def summary(mean: float) -> dict[str, Any]:
    return {"mean": mean, "std": 0.1, "interval95": [mean - 0.1, mean + 0.1], "values": [mean, mean]}


def score_by_mean(training_set: SyntheticDataset, on_step: Callable[[], object]) -> dict[str, Any]:
    """Scores a set by the mean of its images, so that a test sees which images were scored."""
    on_step()
    return {name: summary(float(training_set.images.detach().mean())) for name in METRICS}


MakeRun = Callable[..., Path]
Files = dict[str, Any] | None
Write = Callable[..., Path]


def build_run(
    folder: Path, kind: str = "gray", *, soft: bool = False, files: dict[str, Any] | None = None, **manifest: Any
) -> Path:
    shape = SHAPES[kind]
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(4, *shape, generator=generator) * 2  # far outside the range of real images
    channels, dims = shape[0], len(shape) - 1
    data = SyntheticDataset(
        images,
        torch.tensor([0, 0, 1, 1]),
        ["benign", "malignant"],
        student_lr=0.02,
        label_logits=torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.5, 0.0]]) if soft else None,
        preprocessing=Standardize([0.4] * channels, [0.25] * channels, spatial_dims=dims),
    )
    about = {
        "format": 1,
        "dataset": "digits",
        "method": "mtt",
        "images_per_class": 2,
        "initial_images": "real",
        "network": {"_target_": "monai_distill.networks.nets.convnet.ConvNet", "width": 4},
        "spatial_dims": dims,
        "augmentation": {"operations": []},
        "settings": {"iterations": 3},
        "protocol": {"students": {"steps": 3}},
        "seeds": {"run": 31337},
        "source": SOURCE,
        "chosen_iteration": 2,
        "versions": {"torch": "2"},
        "output_dir": "/home/jane/runs/x",
    }
    data.save(folder, {**about, **manifest})
    row = {name: summary(0.5) for name in METRICS}
    scores = {"dataset": "digits", "distilled": row, "random": row, "full": row, "prior": {"accuracy": 0.5}}
    for name, content in {"scores.json": scores, **(files or {})}.items():
        if content.get("set_sha256") == SHA:  # of this set, which now has its hash
            sums = {"set_sha256": data.manifest["sha256"], "images_sha256": images_sha256(data.images)}
            content = {**content, **sums}
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """``make_run("rgb", initial_images="noise")`` is the folder of a finished run with that set and manifest."""
    return lambda *kind, **manifest: build_run(tmp_path / "run", *kind, **manifest)


@pytest.fixture
def write(make_run: MakeRun, tmp_path: Path) -> Write:
    """``write("rgb")`` is the release folder, at T0, of such a run; options go to ``Release``."""

    def call(kind: str = "gray", words: tuple[str, ...] = (), run: Path | None = None, **options: Any) -> Path:
        run = make_run(kind) if run is None else run
        release = Release(run, tmp_path / "out" / "release", **{"no_claim": True, **options})
        return release.write(score_by_mean, IdentifyingWords(words))

    return call


def read(folder: Path, name: str) -> Any:
    """A JSON file of a release."""
    return json.loads((folder / name).read_text())


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of gray images with every format, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    run = build_run(folder / "run")
    return Release(run, folder / "release", no_claim=True).write(score_by_mean, IdentifyingWords([]))


@pytest.fixture
def released(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it to do anything with."""
    return Path(shutil.copytree(made_once, tmp_path / "released"))
