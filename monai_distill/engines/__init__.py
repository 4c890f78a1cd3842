"""The loops: experts, distillation, students, and the scores beside their controls."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .characteristic_matching import CharacteristicMatching
from .curriculum import Curriculum
from .difficulty import error_length, gradient_length, image_difficulty
from .distiller import Distiller
from .distribution_matching import DistributionMatching, attention_features, embedding_features
from .expert_trainer import ExpertTrainer, plain_direction
from .flat_trajectory import FlatDirection
from .freed_memory import keep_freed_memory
from .gradient_matching import GradientMatching, network_loops
from .graph_size import graph_bytes
from .initial_labels import correct_images, expert_labels, expert_logits, mean_of_right_logits
from .presets import chosen_preset
from .scorecard import Scorecard
from .student_evaluator import StudentEvaluator
from .student_training import StudentTraining, classification_loss
from .trajectory_matching import TrajectoryMatching
from .unroll import unrolled_gradient

__all__ = [
    "CharacteristicMatching",
    "Curriculum",
    "Distiller",
    "DistributionMatching",
    "ExpertTrainer",
    "FlatDirection",
    "GradientMatching",
    "Scorecard",
    "StudentEvaluator",
    "StudentTraining",
    "TrajectoryMatching",
    "attention_features",
    "chosen_preset",
    "classification_loss",
    "correct_images",
    "embedding_features",
    "error_length",
    "expert_labels",
    "expert_logits",
    "gradient_length",
    "graph_bytes",
    "image_difficulty",
    "keep_freed_memory",
    "mean_of_right_logits",
    "network_loops",
    "plain_direction",
    "unrolled_gradient",
]
