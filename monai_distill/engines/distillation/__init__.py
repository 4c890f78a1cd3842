"""The distiller and its objectives."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .distiller import Distiller, StepLimits
from .distribution_matching import DistributionMatching, attention_features, classified_features, embedding_features
from .fixed_view_matching import NoisyMeanMatching, RandomViews
from .frequency_scales import FrequencyScales
from .gradient_matching import GradientMatching, NetworkLoop, network_loops
from .inner_loop import InnerLoop, UnrollMemory
from .matching_networks import BlendedNetworks, RandomNetworks, WaveNetwork, WaveNetworks, wave_features
from .network_queue import NetworkQueue, QueuePlan
from .trajectory_matching import TrajectoryMatching
from .unroll import unrolled_gradient

__all__ = [
    "BlendedNetworks",
    "Distiller",
    "DistributionMatching",
    "FrequencyScales",
    "GradientMatching",
    "InnerLoop",
    "NetworkLoop",
    "NetworkQueue",
    "NoisyMeanMatching",
    "QueuePlan",
    "RandomNetworks",
    "RandomViews",
    "StepLimits",
    "TrajectoryMatching",
    "UnrollMemory",
    "WaveNetwork",
    "WaveNetworks",
    "attention_features",
    "classified_features",
    "embedding_features",
    "network_loops",
    "unrolled_gradient",
    "wave_features",
]
