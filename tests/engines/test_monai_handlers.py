"""MONAI's handlers on our engines, made in Python and attached unchanged."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.metrics import Accuracy
from monai.handlers import (
    CheckpointLoader,
    CheckpointSaver,
    StatsHandler,
    TensorBoardStatsHandler,
    ValidationHandler,
    from_engine,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_distill.data import ClassBank, ClassBatches, SyntheticDataset
from monai_distill.engines.distillation import Distiller, DistributionMatching, RandomNetworks
from monai_distill.engines.students import StudentEvaluator, StudentTraining
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.transforms import SiameseAugment

Attached = Callable[..., Distiller]


def make() -> ConvNet:
    return ConvNet(2, 1, 2, 8, width=4, depth=1)


@pytest.fixture
def bank() -> ClassBank:
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return ClassBank(images, torch.arange(12) % 2, ["a", "b"])


@pytest.fixture
def synthetic() -> SyntheticDataset:
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return SyntheticDataset(images, torch.arange(2), ["a", "b"])


@pytest.fixture
def evaluator(bank: ClassBank, synthetic: SyntheticDataset) -> Callable[..., StudentEvaluator]:
    def made(*handlers: Any) -> StudentEvaluator:
        protocol = StudentTraining(SiameseAugment(()), steps=2)
        training_set = synthetic.training_set
        return StudentEvaluator(training_set, FlatNetwork(make), protocol, bank, seeds=[1, 2], val_handlers=[*handlers])

    return made


@pytest.fixture
def distiller(bank: ClassBank, synthetic: SyntheticDataset) -> Attached:
    def made(*handlers: Any) -> Distiller:
        objective = DistributionMatching(RandomNetworks(make), SiameseAugment(()))
        draws, optimizer = ClassBatches(bank, 4, seed=0), torch.optim.SGD([synthetic.images], lr=0.1)
        return Distiller(
            synthetic, objective, draws, optimizer, max_epochs=2, epoch_length=3, train_handlers=[*handlers]
        )

    return made


def logged(name: str, run: Callable[[], None], caplog: pytest.LogCaptureFixture) -> str:
    logger = logging.getLogger(name)  # MONAI's loggers do not propagate, so caplog needs this
    logger.addHandler(caplog.handler)
    run()
    logger.removeHandler(caplog.handler)
    return caplog.text


def scalars(folder: Path) -> dict[str, list[float]]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_stats_of_both_engines_are_logged(
    distiller: Attached, evaluator: Callable[..., StudentEvaluator], caplog: pytest.LogCaptureFixture
) -> None:
    made = distiller(StatsHandler(name="distilling"))
    text = logged("distilling", made.run, caplog)
    (line,) = [line for line in text.splitlines() if "Epoch: 2/2, Iter: 3/3 -- " in line]
    assert f"loss: {made.state.output[0]['loss']:.4f}" in line
    assert "student_lr: " in line
    scoring = evaluator(StatsHandler(name="scoring", iteration_log=False))
    text = logged("scoring", scoring.run, caplog)
    for name, value in scoring.state.metrics.items():
        assert f"{name}: {value:.4f}" in text
    assert "Key metric: accuracy" in text


def test_tensorboard_holds_the_losses_and_the_scores(
    distiller: Attached, evaluator: Callable[..., StudentEvaluator], tmp_path: Path
) -> None:
    seen: list[float] = []
    made = distiller(TensorBoardStatsHandler(log_dir=str(tmp_path / "a")))
    made.add_event_handler("ITERATION_COMPLETED", lambda engine: seen.append(engine.state.output[0]["loss"]))
    made.run()
    assert scalars(tmp_path / "a")["loss"] == pytest.approx(seen)
    scoring = evaluator(TensorBoardStatsHandler(log_dir=str(tmp_path / "b"), iteration_log=False))
    scoring.run()
    kept = scalars(tmp_path / "b")
    assert {name: values[-1] for name, values in kept.items()} == pytest.approx(scoring.state.metrics)


def test_monai_s_metrics_attach_to_the_evaluator_and_agree_with_its_own(
    evaluator: Callable[..., StudentEvaluator],
) -> None:
    """ignite's accuracy over every student and image is the mean of the students' accuracies."""
    scoring = evaluator()
    Accuracy(output_transform=from_engine(["pred", "label"])).attach(scoring, "of_ignite")
    scoring.run()
    assert scoring.state.metrics["of_ignite"] == pytest.approx(scoring.state.metrics["accuracy"])


def test_validation_comes_every_epoch_and_checkpoints_load_with_weights_only(
    distiller: Attached, evaluator: Callable[..., StudentEvaluator], synthetic: SyntheticDataset, tmp_path: Path
) -> None:
    best = CheckpointSaver(str(tmp_path / "best"), {"synthetic": synthetic}, save_key_metric=True)
    scoring = evaluator(best)
    scored: list[int] = []
    scoring.add_event_handler("COMPLETED", lambda engine: scored.append(engine.state.epoch))
    last = CheckpointSaver(str(tmp_path / "last"), {"synthetic": synthetic}, save_final=True)
    distiller(ValidationHandler(interval=1, validator=scoring), last).run()
    assert scored == [1, 2]

    (final,) = (tmp_path / "last").iterdir()
    assert torch.equal(torch.load(final, weights_only=True)["images"], synthetic.images)
    (kept,) = (tmp_path / "best").iterdir()
    state = torch.load(kept, weights_only=True)
    assert float(scoring.state.best_metric) == pytest.approx(float(kept.stem.rpartition("=")[2]), abs=1e-4)
    assert "images" in state

    fresh = SyntheticDataset(torch.zeros(2, 1, 8, 8), torch.arange(2), ["a", "b"])
    loader = CheckpointLoader(str(final), {"synthetic": fresh})
    other = evaluator(loader)
    other.run()
    assert torch.equal(fresh.images, synthetic.images)


def test_mlflow_follows_both_engines(
    distiller: Attached, evaluator: Callable[..., StudentEvaluator], tmp_path: Path
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="mlflow's database needs sqlalchemy")
    from monai.handlers import MLFlowHandler

    about = {"tracking_uri": f"sqlite:///{tmp_path}/mlruns.db", "close_on_complete": True, "experiment_name": "ours"}
    distiller(MLFlowHandler(**about, run_name="distil")).run()
    scoring = evaluator(MLFlowHandler(**about, run_name="score", iteration_log=False))
    scoring.run()
    client = mlflow.MlflowClient(about["tracking_uri"])
    (experiment,) = [actual for actual in client.search_experiments() if actual.name == "ours"]
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert len(client.get_metric_history(runs["distil"].info.run_id, "loss")) == 6
    assert runs["score"].data.metrics["accuracy"] == pytest.approx(scoring.state.metrics["accuracy"])
