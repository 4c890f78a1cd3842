"""Networks trained on synthetic images, their predictions and their scores."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .scoring import score_students, student_seeds, trained_classifier
from .student_evaluator import StudentEvaluator
from .student_training import StudentDivergedError, StudentTraining
from .teacher import Teacher

__all__ = [
    "StudentDivergedError",
    "StudentEvaluator",
    "StudentTraining",
    "Teacher",
    "score_students",
    "student_seeds",
    "trained_classifier",
]
