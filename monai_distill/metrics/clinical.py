"""Scores by class and by group of patients, as clinical readers need them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch.nn.functional as F
from monai.metrics import ConfusionMatrixMetric
from sklearn.metrics import confusion_matrix, roc_auc_score
from torch import Tensor

from .bootstrap_auroc import bootstrap_auroc
from .calibration import ClassifierCalibration
from .group_scores import scores_by_value
from .score_logits import summary
from .score_record import ClinicalScores, Summary

__all__ = ["clinical_scores"]

RATES = ("sensitivity", "specificity")
CALIBRATION = {
    "expected": {},
    "maximum": {"calibration_reduction": "maximum"},
    "expected_classwise": {"classwise": True},
}


def clinical_scores(
    probabilities: Tensor,
    labels: Tensor,
    class_names: Sequence[str],
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> ClinicalScores:
    """Per-class rates, confusion, calibration and AUROC of S students on the n images of a test set.

    The predicted class is the most probable one; no threshold is tuned. Spreads are over students. The interval of
    ``auroc_bootstrap`` is over test images, or over patients when ``columns`` names the patient of every image.

    Args:
        probabilities: [S, n, classes].
        labels: class numbers [n].
        class_names: names in label order.
        columns: texts [n] by name: ``patient``, and others whose values are reported as subgroups.
        resamples: number of bootstrap resamples.
        seed: seed of the run.

    Returns:
        ``classes``; in their order ``images``, ``sensitivity``, ``specificity``, ``auroc`` (one class against the rest,
        summarized over students, None for a class that does not occur) and ``confusion`` (row: true class, column:
        predicted class; mean counts over students); ``calibration`` (errors by name); ``auroc_bootstrap``;
        ``subgroups``: column -> value -> ``images`` and the scores of the table.

    Raises:
        ValueError: if the shapes disagree.

    Example:
        >>> import torch
        >>> scores = clinical_scores(torch.eye(2)[None, [0, 1, 1]], torch.tensor([0, 1, 0]), ["no", "yes"], resamples=9)
        >>> scores["confusion"], [row["mean"] for row in scores["sensitivity"]]
        ([[1.0, 1.0], [0.0, 1.0]], [0.5, 1.0])
    """
    students, count, classes = probabilities.shape
    columns = dict(columns or {})
    lengths = {len(labels), *map(len, columns.values())}
    if lengths != {count} or len(class_names) != classes or not students:
        raise ValueError(
            f"Expected probabilities [students, n, classes] with n labels and column entries, got "
            f"{list(probabilities.shape)}, {sorted(lengths)} and {len(class_names)} class names."
        )
    probabilities, labels = probabilities.detach().cpu().double(), labels.cpu()
    onehot = F.one_hot(labels, classes)
    patients = columns.pop("patient", None)
    sensitivity, specificity = _rates(probabilities, onehot)
    return {
        "classes": list(class_names),
        "images": onehot.sum(dim=0).tolist(),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "auroc": _per_class(
            [[_area(p[:, c].numpy(), onehot[:, c].numpy()) for c in range(classes)] for p in probabilities]
        ),
        "confusion": _confusion(probabilities, labels),
        "calibration": _calibration(probabilities, onehot),
        "auroc_bootstrap": bootstrap_auroc(
            probabilities.numpy(), labels.numpy(), clusters=patients, resamples=resamples, seed=seed
        ),
        "subgroups": {name: scores_by_value(probabilities, labels, entries) for name, entries in columns.items()},
    }


def _rates(probabilities: Tensor, onehot: Tensor) -> list[list[Summary]]:
    rates = []
    for student in probabilities:
        metric = ConfusionMatrixMetric(metric_name=RATES, reduction="sum_batch")
        metric(y_pred=F.one_hot(student.argmax(dim=1), onehot.shape[1]), y=onehot)
        rates.append([rate.tolist() for rate in metric.aggregate()])
    return [_per_class([row[i] for row in rates]) for i in range(len(RATES))]


def _area(scores: Any, positive: Any) -> float:
    return float(roc_auc_score(positive, scores)) if 0 < positive.sum() < len(positive) else float("nan")


def _per_class(values: Sequence[Sequence[float]]) -> list[Summary]:
    """From [students][classes] to a summary per class."""
    return [summary(row) for row in zip(*values, strict=True)]


def _confusion(probabilities: Tensor, labels: Tensor) -> list[list[float]]:
    names = np.arange(probabilities.shape[2])
    counts = [confusion_matrix(labels.numpy(), p.argmax(dim=1).numpy(), labels=names) for p in probabilities]
    mean: list[list[float]] = np.mean(counts, axis=0).tolist()
    return mean


def _calibration(probabilities: Tensor, onehot: Tensor) -> dict[str, Summary]:
    errors: dict[str, list[float]] = {name: [] for name in CALIBRATION}
    for student in probabilities:
        for name, settings in CALIBRATION.items():
            metric = ClassifierCalibration(**settings)  # type: ignore[arg-type]
            metric(student, onehot)
            errors[name].append(float(metric.aggregate()))
    return {name: summary(values) for name, values in errors.items()}
