"""Networks trained on synthetic images, and their scores."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .score_rows import Row, ScoreRows
from .step_size_choice import by_validation, step_size_candidates, student_values
from .student_evaluator import StudentEvaluator, parameter_scores
from .student_predictions import StudentPredictions, training_job
from .student_training import StudentDivergedError, StudentTraining, classification_loss, trained_classifier
from .teacher import Teacher

__all__ = [
    "Row",
    "ScoreRows",
    "StudentDivergedError",
    "StudentEvaluator",
    "StudentPredictions",
    "StudentTraining",
    "Teacher",
    "by_validation",
    "classification_loss",
    "parameter_scores",
    "step_size_candidates",
    "student_values",
    "trained_classifier",
    "training_job",
]
