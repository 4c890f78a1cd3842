"""Attacks on a distilled set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .attribute_inference import AttributeInference, attribute_attacks, attribute_words
from .feature_alignment import FeatureAlignment
from .features import network_features, pixel_features, random_networks, trained_network
from .gradient_alignment import GradientAlignment
from .model_confidence import ModelConfidence, scaled_confidence
from .nearest_neighbour import NearestNeighbour

__all__ = [
    "AttributeInference",
    "FeatureAlignment",
    "GradientAlignment",
    "ModelConfidence",
    "NearestNeighbour",
    "attribute_attacks",
    "attribute_words",
    "network_features",
    "pixel_features",
    "random_networks",
    "scaled_confidence",
    "trained_network",
]
