"""Scores of one classifier from its probabilities, computed by scikit-learn and SciPy."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import accuracy_score, f1_score, recall_score

from .score_record import Metric

__all__ = ["SCORES", "accuracy", "auroc", "balanced_accuracy", "macro_f1"]

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def accuracy(probabilities: Array, labels: Labels) -> float:
    """Share of images [n, classes] whose most probable class is the label [n].

    It counts images. ``AsDiscreted(to_onehot)`` with ignite's ``Accuracy``, the usual recipe in MONAI, counts the
    entries of one-hot vectors: at nine classes it reports 0.80 where 0.09 is true.

    Example:
        >>> accuracy(np.eye(3), np.array([0, 1, 1]))
        0.6666666666666666
    """
    return float(accuracy_score(labels, probabilities.argmax(axis=1)))


def balanced_accuracy(probabilities: Array, labels: Labels) -> float:
    """Mean recall over the classes that occur in ``labels`` [n].

    scikit-learn's ``balanced_accuracy_score`` gives the same value, and warns when the classifier predicts a class that
    does not occur.

    Example:
        >>> balanced_accuracy(np.eye(3)[[0, 0, 0]], np.array([0, 0, 1]))
        0.5
    """
    recall = recall_score(labels, probabilities.argmax(axis=1), labels=np.unique(labels), average="macro")
    return float(recall)


def macro_f1(probabilities: Array, labels: Labels) -> float:
    """Unweighted mean of the F1 scores of the classes that occur in the labels or the predictions.

    Example:
        >>> macro_f1(np.eye(2), np.array([0, 1]))
        1.0
    """
    return float(f1_score(labels, probabilities.argmax(axis=1), average="macro", zero_division=0.0))


def auroc(probabilities: Array, labels: Labels) -> float:
    """Mean one-against-rest area under the ROC curve over the classes that occur; NaN if only one occurs.

    Example:
        >>> auroc(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
        1.0
    """
    own = labels[:, None] == np.arange(probabilities.shape[1])
    inside = own.sum(axis=0)
    pairs = inside * (len(labels) - inside)
    # Mann and Whitney's U; scikit-learn's area is equal, and takes sixty times as long for ten classes
    right = (rankdata(probabilities, axis=0) * own).sum(axis=0) - inside * (inside + 1) / 2
    occurs = pairs > 0
    return float((right[occurs] / pairs[occurs]).mean()) if occurs.any() else math.nan


SCORES: dict[Metric, Callable[[Array, Labels], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "auroc": auroc,
}
