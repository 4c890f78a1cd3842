"""The evaluator: right scores, plain numbers, and at home with MONAI's handlers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.handlers import CheckpointLoader, CheckpointSaver, ValidationHandler, from_engine
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.engines.distillation import Distiller
from monai_distill.engines.students import (
    StudentDivergedError,
    StudentEvaluator,
    StudentTraining,
    student_evaluator,
    student_seeds,
)
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.transforms import SiameseAugment

CLASSES, STUDENTS = 9, 3


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(student_evaluator, "BATCH", 16)


@pytest.fixture
def network() -> FlatNetwork:
    return FlatNetwork(lambda: ConvNet(2, 1, CLASSES, 8, width=4, depth=1))


@pytest.fixture
def test_bank() -> ClassBank:
    """40 images of 9 unequal classes that no student can tell apart well."""
    labels = torch.randint(CLASSES, (40,), generator=seeded_generator(0, "labels"))
    images = torch.randn(40, 1, 8, 8, generator=seeded_generator(0, "test"))
    return ClassBank(images, labels, [str(c) for c in range(CLASSES)])


@pytest.fixture
def synthetic(test_bank: ClassBank) -> SyntheticDataset:
    images = torch.randn(CLASSES, 1, 8, 8, generator=seeded_generator(0, "synthetic"))
    return SyntheticDataset(images, torch.arange(CLASSES), test_bank.class_names, student_lr=0.05)


@pytest.fixture
def make(network: FlatNetwork, test_bank: ClassBank, synthetic: SyntheticDataset) -> Callable[..., StudentEvaluator]:
    def evaluator(**settings: Any) -> StudentEvaluator:
        protocol = StudentTraining(SiameseAugment(), steps=5)
        settings = {"seeds": student_seeds(students=STUDENTS), **settings}
        return StudentEvaluator(
            lambda: (synthetic.images.detach(), synthetic.targets, float(synthetic.student_lr.detach())),
            network,
            protocol,
            test_bank,
            **settings,
        )

    return evaluator


def _reference_scores(
    evaluator: StudentEvaluator, network: FlatNetwork, bank: ClassBank, score: Callable[..., float]
) -> list[float]:
    """Every student as an ordinary module over the whole bank at once, scored by scikit-learn."""
    values = []
    for parameters in evaluator.students:
        module = network.load_into(ConvNet(2, 1, CLASSES, 8, width=4, depth=1), parameters)
        with torch.no_grad():
            predicted = module(bank.images).argmax(1)
        values.append(float(score(bank.labels.numpy(), predicted.numpy())))
    return values


@pytest.mark.parametrize("batch_size", [7, 512])
def test_scores_of_a_nine_class_problem_equal_scikit_learn(
    make: Callable[..., StudentEvaluator],
    network: FlatNetwork,
    test_bank: ClassBank,
    batch_size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(student_evaluator, "BATCH", batch_size)
    evaluator = make()
    evaluator.run()
    for name, score in {"accuracy": accuracy_score, "balanced_accuracy": balanced_accuracy_score}.items():
        expected = _reference_scores(evaluator, network, test_bank, score)
        assert evaluator.scores()[name]["values"] == pytest.approx(expected)
        assert evaluator.state.metrics[name] == pytest.approx(np.mean(expected))
    assert evaluator.state.metrics["accuracy"] < 0.5  # counting one-hot entries would give over 0.77


def test_metrics_are_python_floats_and_scores_their_summary(make: Callable[..., StudentEvaluator]) -> None:
    evaluator = make()
    evaluator.run()
    assert sorted(evaluator.state.metrics) == ["accuracy", "auroc", "balanced_accuracy", "macro_f1"]
    assert {type(value) for value in evaluator.state.metrics.values()} == {float}
    for name, row in evaluator.scores().items():
        assert len(row["values"]) == STUDENTS
        assert row["mean"] == pytest.approx(evaluator.state.metrics[name])
        assert row["std"] == pytest.approx(np.std(row["values"], ddof=1))
    assert evaluator.state.key_metric_name == "accuracy"
    assert evaluator.state.best_metric == evaluator.state.metrics["accuracy"]


def test_the_output_holds_probabilities_of_every_student(
    make: Callable[..., StudentEvaluator], test_bank: ClassBank
) -> None:
    evaluator = make()
    evaluator.run()
    output = evaluator.state.output
    assert [item["student"] for item in output] == [s for s in range(STUDENTS) for _ in range(40 % 16)]
    pred, label = (torch.stack(values) for values in from_engine(["pred", "label"])(output))
    assert pred.shape == (STUDENTS * (40 % 16), CLASSES)
    torch.testing.assert_close(pred.sum(1), torch.ones(len(pred)))
    assert torch.equal(label, test_bank.labels[32:].repeat(STUDENTS))
    assert torch.equal(output[1]["image"], test_bank.images[33])
    assert not pred.requires_grad


def test_students_are_seeded_by_run_purpose_and_number(make: Callable[..., StudentEvaluator]) -> None:
    score, selection, other = (
        student_seeds(0, "score", 3),
        student_seeds(0, "selection", 3),
        student_seeds(1, "score", 3),
    )
    assert make().seeds == score == [derived_seed(0, "score", "student", i) for i in range(STUDENTS)]
    assert len({*score, *selection, *other}) == 3 * STUDENTS
    assert make(seeds=None).seeds[:STUDENTS] == score


def test_every_run_repeats_and_follows_the_set(
    make: Callable[..., StudentEvaluator], synthetic: SyntheticDataset, random_states_kept: Callable[[], Any]
) -> None:
    evaluator = make()
    with random_states_kept():
        evaluator.run()
    first, students = evaluator.scores(), evaluator.students
    torch.rand(3)
    evaluator.run()
    assert evaluator.scores() == first
    assert torch.equal(evaluator.students, students)
    with torch.no_grad():
        synthetic.images.neg_()
    evaluator.run()
    assert not torch.equal(evaluator.students, students)


def test_neither_the_bank_nor_the_set_is_touched(
    make: Callable[..., StudentEvaluator], test_bank: ClassBank, synthetic: SyntheticDataset
) -> None:
    before = test_bank.fingerprint(), [value.clone() for value in synthetic.state_dict().values()]
    make().run()
    assert test_bank.fingerprint() == before[0]
    assert all(torch.equal(a, b) for a, b in zip(synthetic.state_dict().values(), before[1], strict=True))
    assert all(parameter.grad is None for parameter in synthetic.parameters())


def test_monai_saves_its_best_score_and_the_file_loads_with_weights_only(
    make: Callable[..., StudentEvaluator], synthetic: SyntheticDataset, tmp_path: Path
) -> None:
    optimizer = torch.optim.SGD([synthetic.images], lr=0.1)  # with one object alone MONAI mixes its own state into it
    saver = CheckpointSaver(
        str(tmp_path),
        {"synthetic": synthetic, "optimizer": optimizer},
        save_key_metric=True,
        key_metric_save_state=True,
    )
    evaluator = make(val_handlers=[saver])
    evaluator.run()
    (file,) = tmp_path.iterdir()
    assert f"key_metric={evaluator.state.metrics['accuracy']:.4f}" in file.name
    assert sorted(torch.load(file, weights_only=True)) == ["checkpointer", "optimizer", "synthetic"]
    read = SyntheticDataset(torch.zeros(CLASSES, 1, 8, 8), torch.arange(CLASSES), synthetic.class_names)
    again = make(val_handlers=[CheckpointLoader(str(file), {"synthetic": read})])
    again.run()
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in synthetic.state_dict().items())


def test_a_distiller_validates_with_it(make: Callable[..., StudentEvaluator], synthetic: SyntheticDataset) -> None:
    evaluator = make()
    runs: list[int] = []
    evaluator.add_event_handler(Events.STARTED, lambda engine: runs.append(1))
    students: list[torch.Tensor] = []
    evaluator.add_event_handler(Events.COMPLETED, lambda engine: students.append(engine.students))
    distiller = Distiller(
        synthetic,
        lambda data, draw: (torch.tensor(1.0), {"images": data.images.detach()}),
        range(6),
        torch.optim.SGD([synthetic.images], lr=0.1),
        max_epochs=3,
        epoch_length=2,
        train_handlers=[ValidationHandler(interval=1, validator=evaluator, epoch_level=True)],
    )
    distiller.run()
    assert len(runs) == 3
    assert not torch.equal(students[0], students[1])
    assert evaluator.state.best_metric_epoch in (1, 2, 3)


def test_no_students_are_refused(make: Callable[..., StudentEvaluator]) -> None:
    with pytest.raises(ValueError, match="at least 1 student"):
        make(seeds=[])
    with pytest.raises(ValueError, match=r"students .* at least 1, got 0"):
        student_seeds(students=0)


def test_students_that_diverge_end_the_run_unless_that_is_allowed(make: Callable[..., StudentEvaluator]) -> None:
    evaluator = make()
    evaluator.protocol.steps = 3
    evaluator.training_set = lambda: (torch.randn(CLASSES, 1, 8, 8), torch.arange(CLASSES), 1e30)
    with pytest.raises(StudentDivergedError, match=r"learning rate 1e\+30"):
        evaluator.run()


def test_a_set_that_diverges_has_no_score_warns_once_and_the_next_is_scored(
    make: Callable[..., StudentEvaluator],
) -> None:
    undisturbed = make()
    undisturbed.run()
    evaluator = make(allow_divergence=True)
    good = evaluator.training_set
    evaluator.training_set = lambda: (*good()[:2], 1e30)
    with pytest.warns(UserWarning, match="diverged at learning rate 1e.30.*cannot be selected") as warned:
        evaluator.run()
    assert len(warned) == 1  # and none of a mean of nothing
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluator.run()
    assert len(evaluator.state.metrics) == 4
    assert np.isnan(list(evaluator.state.metrics.values())).all()
    assert evaluator.scores()["accuracy"] == {"mean": None, "std": None, "interval95": None, "values": []}
    evaluator.training_set = good
    evaluator.run()
    assert evaluator.state.metrics == undisturbed.state.metrics
    assert evaluator.state.best_metric == undisturbed.state.best_metric
    assert torch.equal(evaluator.students, undisturbed.students)


def test_predictions_that_are_no_numbers_are_a_divergence_too_also_in_a_late_batch(
    network: FlatNetwork, test_bank: ClassBank, synthetic: SyntheticDataset
) -> None:
    images = test_bank.images.clone()
    images[-1] *= 1e38  # the square of it is infinite
    bank = ClassBank(images, test_bank.labels, test_bank.class_names)
    protocol = StudentTraining(SiameseAugment(()), steps=2)
    evaluator = StudentEvaluator(synthetic.training_set, network, protocol, bank, allow_divergence=True)
    with pytest.warns(UserWarning, match="diverged at learning rate 0.05"):
        evaluator.run()
    assert np.isnan(list(evaluator.state.metrics.values())).all()
    with pytest.raises(StudentDivergedError):
        StudentEvaluator(synthetic.training_set, network, protocol, bank).run()
