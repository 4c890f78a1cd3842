"""Networks trained on synthetic images, and their scores."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .lr_choice import lr_candidates, rank_by_validation, score_students
from .score_rows import Row, ScoreRows
from .student_evaluator import StudentEvaluator, parameter_scores
from .student_predictions import StudentPredictions, training_job
from .student_training import StudentDivergedError, StudentTraining, trained_classifier
from .teacher import Teacher

__all__ = [
    "Row",
    "ScoreRows",
    "StudentDivergedError",
    "StudentEvaluator",
    "StudentPredictions",
    "StudentTraining",
    "Teacher",
    "lr_candidates",
    "parameter_scores",
    "rank_by_validation",
    "score_students",
    "trained_classifier",
    "training_job",
]
