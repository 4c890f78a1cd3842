"""Scores against scikit-learn and against counting by hand, and the accuracy trap of one-hot vectors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from ignite.engine import Engine
from ignite.metrics import Accuracy
from monai.handlers import from_engine
from monai.transforms import AsDiscreted
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from monai_distill.metrics import accuracy, auroc, balanced_accuracy, macro_f1
from monai_distill.metrics.classification import SCORES

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def drawn(classes: int, seed: int, absent: int | None = None) -> tuple[Array, Labels]:
    """Probabilities that lean a little to the right class; labels without the class ``absent``."""
    random = np.random.default_rng(seed)
    labels = random.choice([c for c in range(classes) if c != absent], size=150)
    logits = random.normal(size=(150, classes)) + 0.8 * np.eye(classes)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


def _reference_f1(probabilities: Array, labels: Labels) -> float:
    predicted, values = probabilities.argmax(1), []
    for c in sorted({*labels.tolist(), *predicted.tolist()}):
        hits = int(((predicted == c) & (labels == c)).sum())
        values.append(2 * hits / (int((predicted == c).sum()) + int((labels == c).sum())))
    return float(np.mean(values))


def _reference_auroc(probabilities: Array, labels: Labels) -> float:
    """The share of (positive, negative) pairs in the right order, ties half."""
    areas = []
    for c in np.unique(labels):
        positive, negative = probabilities[labels == c, c], probabilities[labels != c, c]
        difference = positive[:, None] - negative[None]
        areas.append(((difference > 0) + 0.5 * (difference == 0)).mean())
    return float(np.mean(areas))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [2, 3, 9])
def test_scores_equal_scikit_learn(classes: int, seed: int) -> None:
    probabilities, labels = drawn(classes, seed)
    predicted = probabilities.argmax(1)
    ovr = probabilities[:, 1] if classes == 2 else probabilities
    expected = {
        "accuracy": accuracy_score(labels, predicted),
        "balanced_accuracy": balanced_accuracy_score(labels, predicted),
        "macro_f1": f1_score(labels, predicted, average="macro"),
        "auroc": roc_auc_score(labels, ovr, multi_class="ovr", average="macro"),
    }
    found = {name: score(probabilities, labels) for name, score in SCORES.items()}
    assert found == pytest.approx(expected, abs=1e-12)
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("absent", [None, 0, 4])
def test_scores_equal_counting_by_hand_also_with_a_class_that_does_not_occur(absent: int | None) -> None:
    probabilities, labels = drawn(5, 7, absent)
    predicted = probabilities.argmax(1)
    shares = [float((predicted[labels == c] == c).mean()) for c in np.unique(labels)]
    assert len(shares) == (5 if absent is None else 4)
    assert accuracy(probabilities, labels) == pytest.approx(float((predicted == labels).mean()))
    assert balanced_accuracy(probabilities, labels) == pytest.approx(float(np.mean(shares)))
    assert macro_f1(probabilities, labels) == pytest.approx(_reference_f1(probabilities, labels))
    assert auroc(probabilities, labels) == pytest.approx(_reference_auroc(probabilities, labels))


def test_unbalanced_labels_tell_accuracy_from_balanced_accuracy() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    always_first = np.tile([0.9, 0.1], (100, 1))
    assert accuracy(always_first, labels) == 0.9
    assert balanced_accuracy(always_first, labels) == 0.5
    assert macro_f1(always_first, labels) == pytest.approx((2 * 90 / 190) / 2)
    assert auroc(always_first, labels) == 0.5


def test_a_class_neither_labelled_nor_predicted_does_not_count() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    labels = np.array([0, 1])
    assert [score(probabilities, labels) for score in SCORES.values()] == [1.0, 1.0, 1.0, 1.0]


def test_auroc_of_a_single_class_is_nan() -> None:
    assert math.isnan(auroc(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0])))


def test_accuracy_counts_images_where_the_one_hot_recipe_counts_entries() -> None:
    classes = 9
    random = np.random.default_rng(0)
    labels = random.integers(classes, size=300)
    probabilities = random.dirichlet(np.ones(classes), size=300)
    truth = accuracy_score(labels, probabilities.argmax(1))
    assert truth < 0.2
    assert accuracy(probabilities, labels) == truth

    post = AsDiscreted(keys=["pred", "label"], argmax=[True, False], to_onehot=classes)
    rows = zip(torch.from_numpy(probabilities), torch.from_numpy(labels), strict=True)
    output = [post({"pred": pred, "label": label[None]}) for pred, label in rows]
    engine = Engine(lambda engine, batch: output)
    Accuracy(output_transform=from_engine(["pred", "label"])).attach(engine, "accuracy")
    trapped = engine.run([0], max_epochs=1).metrics["accuracy"]
    assert trapped == pytest.approx(1 - 2 * (1 - truth) / classes)
    assert trapped > 0.75
