"""Membership and attribute attacks on a distilled set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .attribute_inference import attribute_attacks, describe_attribute_attacks
from .feature_alignment import FeatureAlignment
from .features import network_features, pixel_features, random_networks, trained_network
from .gradient_alignment import GradientAlignment
from .model_confidence import ModelConfidence
from .nearest_neighbor import NearestNeighbor

__all__ = [
    "FeatureAlignment",
    "GradientAlignment",
    "ModelConfidence",
    "NearestNeighbor",
    "attribute_attacks",
    "describe_attribute_attacks",
    "network_features",
    "pixel_features",
    "random_networks",
    "trained_network",
]
