"""The steps of a run: their order, their cost, what is written, with and without a guarantee."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from monai_distill.configuration.run import DistillationRun
from monai_distill.data import SyntheticDataset
from monai_distill.export import RunFolder
from monai_distill.handlers import History, RunCost
from monai_distill.runtime.memory import PeakMemory

SCORE = {"mean": 0.5, "std": 0.1, "interval95": [0.4, 0.6], "values": [0.4, 0.6]}
ROWS = {"distilled": {"accuracy": SCORE}, "random": {"accuracy": SCORE}, "prior": {"accuracy": 0.5}}


class Steps:
    """A trainer, a selection, a scorecard and a guarantee that note when they are called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.state = SimpleNamespace(iteration=6, epoch_length=2)
        self.trainer = SimpleNamespace(run=lambda: self.calls.append("train"), state=self.state)
        self.selection = SimpleNamespace(restore=lambda: self.calls.append("restore"), epoch=2)
        self.scorecard = SimpleNamespace(run=self.score)
        self.guarantee = SimpleNamespace(
            mask_data=self.mask,
            statement=lambda: {"tier": "T0", "calls": list(self.calls)},
            scores=lambda: {"dp_sgd": ROWS["random"]},
            bind_set=lambda sha256, images_sha256: self.calls.append(sha256),
        )

    def score(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        self.calls.append("score")
        return ROWS

    def mask(self, step: Callable[[], object]) -> None:
        self.calls.append("mask")
        step()
        self.calls.append("unmask")


@pytest.fixture
def synthetic() -> SyntheticDataset:
    return SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])


def run_of(folder: Path, guarantee: Any = None) -> DistillationRun:
    return DistillationRun(RunFolder(folder), RunCost(folder / "cost.json", PeakMemory("cpu")), guarantee)


def test_a_run_keeps_the_state_that_was_best_on_validation(tmp_path: Path, synthetic: SyntheticDataset) -> None:
    steps, run = Steps(), run_of(tmp_path)
    run.prepare(lambda: steps.calls.append("experts"))
    run.distill(steps.trainer, steps.selection)  # type: ignore[arg-type]
    run.save(synthetic, {"method": "mtt"}, History())
    run.score(steps.scorecard, synthetic, {"method": "mtt"})  # type: ignore[arg-type]
    assert steps.calls == ["experts", "train", "restore", "score"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["chosen_iteration"], manifest["method"]) == (4, "mtt")
    assert "privacy" not in manifest
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["distilled"] == ROWS["distilled"]
    assert set(scores["cost"]["seconds"]) == {"experts", "distillation", "scores", "other"}


def test_a_guarantee_masks_the_data_and_its_statement_is_made_after_the_distillation(
    tmp_path: Path, synthetic: SyntheticDataset
) -> None:
    steps = Steps()
    run = run_of(tmp_path, steps.guarantee)
    run.prepare(None)
    run.distill(steps.trainer)
    run.save(synthetic, {"method": "dm"}, History())
    run.score(steps.scorecard, synthetic, {"method": "dm"})  # type: ignore[arg-type]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["privacy"]["calls"] == ["mask", "train", "unmask"]
    assert manifest["chosen_iteration"] == 6  # the last iterate
    assert steps.calls == ["mask", "train", "unmask", manifest["sha256"], "score"]  # bound to the saved set
    assert json.loads((tmp_path / "scores.json").read_text())["dp_sgd"] == ROWS["random"]


def test_an_evaluation_reads_the_saved_set_and_the_released_statistics(
    tmp_path: Path, synthetic: SyntheticDataset
) -> None:
    synthetic.save(tmp_path)
    steps = Steps()
    run_of(tmp_path).evaluate(steps.scorecard, {}, lambda: steps.calls.append("prepare"), "cpu")  # type: ignore[arg-type]
    assert steps.calls == ["score"]  # without a guarantee nothing has to be read again
    run = run_of(tmp_path, steps.guarantee)
    run.evaluate(steps.scorecard, {}, lambda: steps.calls.append("prepare"), "cpu")  # type: ignore[arg-type]
    assert steps.calls == ["score", "prepare", "score"]


def test_the_scores_of_a_bundle_lie_with_its_set(tmp_path: Path, synthetic: SyntheticDataset) -> None:
    synthetic.save(tmp_path / "models")
    run_of(tmp_path / "eval").score_bundle(Steps().scorecard, {}, tmp_path / "models", "cpu")  # type: ignore[arg-type]
    assert (tmp_path / "models" / "scores.json").read_text() == (tmp_path / "eval" / "scores.json").read_text()
