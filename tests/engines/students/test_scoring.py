"""Train, predict and score alone, chained, and as the MONAI evaluator."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.engines.students import (
    StudentDivergedError,
    StudentEvaluator,
    StudentTraining,
    score_students,
    scoring,
    student_seeds,
)
from monai_distill.engines.students.scoring import parameter_scores, predict_logits, train_students
from monai_distill.metrics import score_logits
from monai_distill.networks import FlatNetwork
from monai_distill.transforms import SiameseAugment

PROTOCOL = StudentTraining(SiameseAugment(()), steps=3)
SEEDS = student_seeds(4, "x", 2)


def test_the_chain_equals_its_parts_and_the_evaluator(bank: ClassBank, network: FlatNetwork) -> None:
    training_set = (bank.images, bank.labels, 0.01)
    parameters = train_students(network, training_set, PROTOCOL, SEEDS)
    logits = predict_logits(network, parameters, bank.images)
    row = score_logits(logits, bank.labels)
    steps: list[int] = []
    assert score_students(training_set, network, PROTOCOL, bank, SEEDS, lambda: steps.append(1)) == row
    assert len(steps) == PROTOCOL.steps
    assert parameter_scores(network, parameters, bank) == row
    evaluator = StudentEvaluator(lambda: training_set, network, PROTOCOL, bank, seeds=SEEDS)
    evaluator.run()
    assert evaluator.scores() == row


@pytest.mark.parametrize("batch_size", [5, 512])
def test_logits_are_those_of_ordinary_modules(
    bank: ClassBank,
    network: FlatNetwork,
    make_module: Callable[[], nn.Module],
    batch_size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "BATCH", batch_size)
    parameters = torch.stack([network.initial(seed) for seed in SEEDS])
    logits = predict_logits(network, parameters, bank.images)
    for vector, of_student in zip(parameters, logits, strict=True):
        module = network.load_into(make_module(), vector).eval()
        torch.testing.assert_close(of_student, module(bank.images).detach())
    assert not logits.requires_grad


def test_a_synthetic_set_trains_like_its_images_labels_and_learning_rate(bank: ClassBank, network: FlatNetwork) -> None:
    synthetic = SyntheticDataset(bank.images, bank.labels, bank.class_names, student_lr=0.02)
    of_set = train_students(network, synthetic, PROTOCOL, SEEDS)
    assert torch.equal(of_set, train_students(network, synthetic.training_set(), PROTOCOL, SEEDS))


def test_predictions_that_are_not_finite_are_a_divergence(bank: ClassBank, network: FlatNetwork) -> None:
    images = bank.images.clone()
    images[-1] *= 1e38
    with pytest.raises(StudentDivergedError, match=r"0\.02"):
        score_students(
            (bank.images, bank.labels, 0.02),
            network,
            PROTOCOL,
            ClassBank(images, bank.labels, bank.class_names),
            SEEDS,
        )
