"""Scores of classifiers, and the typed record of the scores of a run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .bootstrap_auroc import bootstrap_auroc
from .calibration import ClassifierCalibration
from .classification import SCORES, accuracy, auroc, balanced_accuracy, macro_f1
from .clinical import clinical_scores
from .group_scores import group_gap, group_scores
from .rank_agreement import rank_agreement
from .robust import augmentation_robust_score, hard_label_recovery, improvement_over_random, label_robust_score
from .score_logits import StudentMetric, score_logits, summary

__all__ = [
    "SCORES",
    "ClassifierCalibration",
    "StudentMetric",
    "accuracy",
    "augmentation_robust_score",
    "auroc",
    "balanced_accuracy",
    "bootstrap_auroc",
    "clinical_scores",
    "group_gap",
    "group_scores",
    "hard_label_recovery",
    "improvement_over_random",
    "label_robust_score",
    "macro_f1",
    "rank_agreement",
    "score_logits",
    "summary",
]
