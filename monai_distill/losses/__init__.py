"""Losses: pure functions of tensors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .attention_matching import AttentionMatchingLoss, attention_map
from .class_sums import ClassSums, class_mean_distance, class_sums
from .distribution_matching import DistributionMatchingLoss
from .gradient_matching import GradientMatchingLoss
from .trajectory_matching import TrajectoryMatchingLoss

__all__ = [
    "AttentionMatchingLoss",
    "ClassSums",
    "DistributionMatchingLoss",
    "GradientMatchingLoss",
    "TrajectoryMatchingLoss",
    "attention_map",
    "class_mean_distance",
    "class_sums",
]
