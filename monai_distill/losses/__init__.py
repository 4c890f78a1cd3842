"""The losses of the methods, one file per paper; all are functions of tensors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .att_loss import NearestStepLoss
from .class_sums import ClassSums, class_mean_distance, class_sums, sum_over_processes
from .datadam_loss import AttentionMatchingLoss, attention_map
from .dc_loss import GradientMatchingLoss
from .dm_loss import DistributionMatchingLoss
from .gift_loss import cosine_loss, refined_labels
from .hoptm_loss import AnglePenalty, GrowingMaskLoss, angle_matrix
from .idm_loss import ClassRegularizedLoss, class_regularization
from .mtt_loss import TrajectoryMatchingLoss, TrajectorySegment, relative_distance
from .ncfm_loss import CharacteristicFunctionLoss, characteristic_discrepancy, waves
from .pad_loss import MaskedTrajectoryLoss, deep_layers, largest_errors
from .soft_cross_entropy import classification_loss

__all__ = [
    "AnglePenalty",
    "AttentionMatchingLoss",
    "CharacteristicFunctionLoss",
    "ClassRegularizedLoss",
    "ClassSums",
    "DistributionMatchingLoss",
    "GradientMatchingLoss",
    "GrowingMaskLoss",
    "MaskedTrajectoryLoss",
    "NearestStepLoss",
    "TrajectoryMatchingLoss",
    "TrajectorySegment",
    "angle_matrix",
    "attention_map",
    "characteristic_discrepancy",
    "class_mean_distance",
    "class_regularization",
    "class_sums",
    "classification_loss",
    "cosine_loss",
    "deep_layers",
    "largest_errors",
    "refined_labels",
    "relative_distance",
    "sum_over_processes",
    "waves",
]
