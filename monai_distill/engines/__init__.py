"""The loops: experts, distillation, students, and the scores beside their controls."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .architecture_search import ArchitectureSearch
from .balanced_epochs import BalancedEpochs
from .classifier_training import trained_classifier
from .continual_learning import ContinualLearning
from .cross_architecture import CrossArchitecture
from .curriculum import Curriculum
from .difficulty import error_length, gradient_length, image_difficulty
from .distiller import Distiller
from .distribution_matching import DistributionMatching, attention_features, embedding_features
from .expert_trainer import ExpertTrainer, plain_direction
from .finished_parts import FinishedParts
from .flat_trajectory import FlatDirection
from .freed_memory import keep_freed_memory
from .gradient_matching import GradientMatching, network_loops
from .graph_size import graph_bytes
from .initial_labels import correct_images, expert_labels, expert_logits, mean_of_right_logits
from .measured_matching import MeasuredMatching
from .parameter_scores import parameter_scores
from .presets import chosen_preset
from .random_views import RandomViews
from .score_rows import Row, ScoreRows
from .scorecard import Scorecard
from .scores_protocol import ScoresProtocol
from .step_size_choice import by_validation, step_size_candidates, student_values
from .student_diverged import StudentDivergedError
from .student_evaluator import StudentEvaluator
from .student_predictions import StudentPredictions, training_job
from .student_training import StudentTraining, classification_loss
from .teacher import Teacher
from .trajectory_matching import TrajectoryMatching
from .unroll import unrolled_gradient

__all__ = [
    "ArchitectureSearch",
    "BalancedEpochs",
    "ContinualLearning",
    "CrossArchitecture",
    "Curriculum",
    "Distiller",
    "DistributionMatching",
    "ExpertTrainer",
    "FinishedParts",
    "FlatDirection",
    "GradientMatching",
    "MeasuredMatching",
    "RandomViews",
    "Row",
    "ScoreRows",
    "Scorecard",
    "ScoresProtocol",
    "StudentDivergedError",
    "StudentEvaluator",
    "StudentPredictions",
    "StudentTraining",
    "Teacher",
    "TrajectoryMatching",
    "attention_features",
    "by_validation",
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
    "parameter_scores",
    "plain_direction",
    "step_size_candidates",
    "student_values",
    "trained_classifier",
    "training_job",
    "unrolled_gradient",
]
