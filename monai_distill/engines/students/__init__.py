"""Networks trained on synthetic images, their predictions and their scores."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .lr_choice import lr_candidates, rank_by_validation
from .score_rows import Row, ScoreRows
from .scoring import parameter_scores, predict_logits, score_students, student_seeds, train_students, trained_classifier
from .student_evaluator import StudentEvaluator
from .student_training import StudentDivergedError, StudentTraining
from .student_variant import StudentVariant
from .students import Students
from .teacher import Teacher

__all__ = [
    "Row",
    "ScoreRows",
    "StudentDivergedError",
    "StudentEvaluator",
    "StudentTraining",
    "StudentVariant",
    "Students",
    "Teacher",
    "lr_candidates",
    "parameter_scores",
    "predict_logits",
    "rank_by_validation",
    "score_students",
    "student_seeds",
    "train_students",
    "trained_classifier",
]
