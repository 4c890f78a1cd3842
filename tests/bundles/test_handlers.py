"""MONAI's own handlers on the engines of a bundle, attached by its configuration and nothing else."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.bundles.conftest import run, workflow

DIGITS = "digits_dataset_distillation"


def test_monai_s_handlers_attach_unchanged(copied: Any, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    made = workflow(root, "train", kind="train", **for_train)
    made.parser["train#handlers"] = [
        *made.parser["train#handlers"],
        {"_target_": "StatsHandler", "name": "distilling"},
        {"_target_": "CheckpointSaver", "save_dir": str(root / "kept"), "save_dict": {"synthetic": "@synthetic"}}
        | {"save_final": True},
    ]
    logger = logging.getLogger("distilling")  # MONAI's loggers do not propagate, so caplog needs this
    logger.addHandler(caplog.handler)
    run(made)
    logger.removeHandler(caplog.handler)
    assert "loss: " in caplog.text
    (kept,) = (root / "kept").iterdir()
    saved = torch.load(kept, weights_only=True)
    assert "images" in saved.get("synthetic", saved)
    assert list((root / "train" / "tensorboard").iterdir())  # TensorBoardStatsHandler and ValidationHandler are its own
    assert made.evaluator.state.metrics["accuracy"] > 0


def test_the_option_tracking_mlflow_of_monai_s_command_follows_a_training(
    copied: Any, settings: Any, tmp_path: Path
) -> None:
    """``--tracking mlflow --tracking_uri sqlite:///...``: MONAI adds its handlers to both engines."""
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="mlflow's database needs sqlalchemy")
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    tracked = f"sqlite:///{tmp_path}/mlruns.db"
    run(workflow(root, "train", kind="train", **for_train, tracking="mlflow", tracking_uri=tracked))
    client = mlflow.MlflowClient(tracked)
    (experiment,) = [found for found in client.search_experiments() if found.name == "monai_experiment"]
    (followed,) = client.search_runs([experiment.experiment_id])
    losses = [metric.value for metric in client.get_metric_history(followed.info.run_id, "train_loss")]
    history = json.loads((root / "train" / "history.json").read_text())
    assert losses == pytest.approx([row["loss"] for row in history["iterations"]])
    assert len(client.get_metric_history(followed.info.run_id, "balanced_accuracy")) == len(history["validations"])
