"""Losses: functions of tensors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .angle_penalty import AnglePenalty, angle_matrix
from .attention_matching import AttentionMatchingLoss, attention_map
from .class_sums import ClassSums, class_mean_distance, class_sums, sums_of_all
from .distribution_matching import DistributionMatchingLoss
from .expert_piece import ExpertPiece
from .gradient_matching import GradientMatchingLoss
from .growing_mask import GrowingMaskLoss
from .parameter_mask import MaskedTrajectoryLoss, deep_layers, largest_errors
from .step_selection import NearestStepLoss
from .trajectory_matching import TrajectoryMatchingLoss, relative_distance

__all__ = [
    "AnglePenalty",
    "AttentionMatchingLoss",
    "ClassSums",
    "DistributionMatchingLoss",
    "ExpertPiece",
    "GradientMatchingLoss",
    "GrowingMaskLoss",
    "MaskedTrajectoryLoss",
    "NearestStepLoss",
    "TrajectoryMatchingLoss",
    "angle_matrix",
    "attention_map",
    "class_mean_distance",
    "class_sums",
    "deep_layers",
    "largest_errors",
    "relative_distance",
    "sums_of_all",
]
