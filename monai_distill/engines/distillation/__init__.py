"""The distiller and its objectives."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .distiller import Distiller, StepLimits
from .distribution_matching import DistributionMatching, attention_features, classified_features, embedding_features
from .frequency_scales import FrequencyScales
from .gradient_matching import GradientMatching, NetworkLoop
from .inner_loop import InnerLoop, UnrollMemory
from .matching_networks import BlendedNetworks, RandomNetworks, WaveNetworks, wave_features
from .network_queue import NetworkQueue, QueuePlan
from .trajectory_matching import TrajectoryMatching

__all__ = [
    "BlendedNetworks",
    "Distiller",
    "DistributionMatching",
    "FrequencyScales",
    "GradientMatching",
    "InnerLoop",
    "NetworkLoop",
    "NetworkQueue",
    "QueuePlan",
    "RandomNetworks",
    "StepLimits",
    "TrajectoryMatching",
    "UnrollMemory",
    "WaveNetworks",
    "attention_features",
    "classified_features",
    "embedding_features",
    "wave_features",
]
