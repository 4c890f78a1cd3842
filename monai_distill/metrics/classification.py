"""Figures of merit of one classifier, from its probabilities: scikit-learn's own, with the shapes checked."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

__all__ = ["SCORES", "accuracy", "auroc", "balanced_accuracy", "macro_f1"]

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def accuracy(probabilities: Array, labels: Labels) -> float:
    """Share of images [n, classes] whose most probable class is the label [n].

    Images are counted, not the entries of one-hot vectors: MONAI's usual recipe of ``AsDiscreted(to_onehot)`` with
    ignite's ``Accuracy`` counts entries and reports 0.80 where 0.09 is true at nine classes.

    Example:
        >>> accuracy(np.eye(3), np.array([0, 1, 1]))
        0.6666666666666666
    """
    return float(accuracy_score(labels, probabilities.argmax(axis=1)))


def balanced_accuracy(probabilities: Array, labels: Labels) -> float:
    """Mean over the classes present in ``labels`` [n] of the share of their images that is found.

    Example:
        >>> balanced_accuracy(np.eye(3)[[0, 0, 0]], np.array([0, 0, 1]))
        0.5
    """
    predicted = probabilities.argmax(axis=1)
    present = np.unique(labels)
    return float(np.mean([(predicted[labels == c] == c).mean() for c in present]))


def macro_f1(probabilities: Array, labels: Labels) -> float:
    """Unweighted mean of the F1 of every class that occurs in the labels or the predictions.

    Example:
        >>> macro_f1(np.eye(2), np.array([0, 1]))
        1.0
    """
    return float(f1_score(labels, probabilities.argmax(axis=1), average="macro", zero_division=0.0))


def auroc(probabilities: Array, labels: Labels) -> float:
    """Macro mean of the one-against-rest areas under the ROC curve, over the classes that occur; NaN if none.

    Example:
        >>> auroc(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
        1.0
    """
    areas = [
        roc_auc_score(labels == c, probabilities[:, c])
        for c in range(probabilities.shape[1])
        if 0 < (labels == c).sum() < len(labels)
    ]
    return float(np.mean(areas)) if areas else math.nan


SCORES: dict[str, Callable[[Array, Labels], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "auroc": auroc,
}
