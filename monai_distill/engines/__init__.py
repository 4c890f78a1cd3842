"""The loops: experts, distillation, students, and the scores beside their controls."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .distiller import Distiller
from .distribution_matching import DistributionMatching, attention_features, embedding_features
from .expert_trainer import ExpertTrainer, plain_direction
from .freed_memory import keep_freed_memory
from .gradient_matching import GradientMatching, network_loops
from .graph_size import graph_bytes
from .presets import chosen_preset
from .scorecard import Scorecard
from .student_evaluator import StudentEvaluator
from .student_training import StudentTraining, classification_loss
from .trajectory_matching import TrajectoryMatching
from .unroll import unrolled_gradient

__all__ = [
    "Distiller",
    "DistributionMatching",
    "ExpertTrainer",
    "GradientMatching",
    "Scorecard",
    "StudentEvaluator",
    "StudentTraining",
    "TrajectoryMatching",
    "attention_features",
    "chosen_preset",
    "classification_loss",
    "embedding_features",
    "graph_bytes",
    "keep_freed_memory",
    "network_loops",
    "plain_direction",
    "unrolled_gradient",
]
