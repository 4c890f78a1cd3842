"""Losses: functions of tensors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .angle_penalty import AnglePenalty, angle_matrix
from .expert_piece import ExpertPiece
from .growing_mask import GrowingMaskLoss
from .parameter_mask import MaskedTrajectoryLoss, deep_layers, largest_errors
from .step_selection import NearestStepLoss
from .trajectory_matching import TrajectoryMatchingLoss, relative_distance

__all__ = [
    "AnglePenalty",
    "ExpertPiece",
    "GrowingMaskLoss",
    "MaskedTrajectoryLoss",
    "NearestStepLoss",
    "TrajectoryMatchingLoss",
    "angle_matrix",
    "deep_layers",
    "largest_errors",
    "relative_distance",
]
