"""Figures of merit of students trained on a small set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .classification import SCORES, accuracy, auroc, balanced_accuracy, macro_f1
from .rank_agreement import rank_agreement
from .student_metric import StudentMetric
from .summary import summary

__all__ = ["SCORES", "StudentMetric", "accuracy", "auroc", "balanced_accuracy", "macro_f1", "rank_agreement", "summary"]
