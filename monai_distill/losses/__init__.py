"""Losses: pure functions of tensors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .trajectory_matching import TrajectoryMatchingLoss

__all__ = ["TrajectoryMatchingLoss"]
