"""Scores of classifiers, and the typed record of the scores of a run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .classification import accuracy, auroc, balanced_accuracy, macro_f1
from .score_logits import score_logits

__all__ = [
    "accuracy",
    "auroc",
    "balanced_accuracy",
    "macro_f1",
    "score_logits",
]
