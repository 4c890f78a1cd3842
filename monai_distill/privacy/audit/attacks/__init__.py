"""Membership and attribute attacks on a distilled set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .feature_alignment import FeatureAlignment
from .gradient_alignment import GradientAlignment
from .model_confidence import ModelConfidence
from .nearest_neighbor import NearestNeighbor

__all__ = [
    "FeatureAlignment",
    "GradientAlignment",
    "ModelConfidence",
    "NearestNeighbor",
]
