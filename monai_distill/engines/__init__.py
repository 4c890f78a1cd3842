"""The loops: experts, distillation, students, and the scores beside their controls."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .distiller import Distiller
from .expert_trainer import ExpertTrainer, plain_direction
from .freed_memory import keep_freed_memory
from .graph_size import graph_bytes
from .presets import chosen_preset
from .scorecard import Scorecard
from .student_evaluator import StudentEvaluator
from .student_training import StudentTraining, classification_loss
from .trajectory_matching import TrajectoryMatching
from .unroll import unrolled_gradient

__all__ = [
    "Distiller",
    "ExpertTrainer",
    "Scorecard",
    "StudentEvaluator",
    "StudentTraining",
    "TrajectoryMatching",
    "chosen_preset",
    "classification_loss",
    "graph_bytes",
    "keep_freed_memory",
    "plain_direction",
    "unrolled_gradient",
]
