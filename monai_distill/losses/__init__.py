"""The losses of the methods, one file per paper; all are functions of tensors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .att_loss import NearestStepLoss
from .datadam_loss import AttentionMatchingLoss
from .dc_loss import GradientMatchingLoss
from .dm_loss import DistributionMatchingLoss
from .hoptm_loss import AnglePenalty, GrowingMaskLoss
from .idm_loss import ClassRegularizedLoss
from .mtt_loss import TrajectoryMatchingLoss
from .ncfm_loss import CharacteristicFunctionLoss
from .pad_loss import MaskedTrajectoryLoss

__all__ = [
    "AnglePenalty",
    "AttentionMatchingLoss",
    "CharacteristicFunctionLoss",
    "ClassRegularizedLoss",
    "DistributionMatchingLoss",
    "GradientMatchingLoss",
    "GrowingMaskLoss",
    "MaskedTrajectoryLoss",
    "NearestStepLoss",
    "TrajectoryMatchingLoss",
]
