"""The distiller and its objectives."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .distiller import Distiller, StepLimits
from .distribution_matching import DistributionMatching, attention_features, embedding_features
from .fixed_view_matching import NoisyMeanMatching, RandomViews
from .gradient_matching import GradientMatching, NetworkLoop, network_loops
from .inner_loop import InnerLoop, UnrollMemory
from .trajectory_matching import TrajectoryMatching
from .unroll import unrolled_gradient

__all__ = [
    "Distiller",
    "DistributionMatching",
    "GradientMatching",
    "InnerLoop",
    "NetworkLoop",
    "NoisyMeanMatching",
    "RandomViews",
    "StepLimits",
    "TrajectoryMatching",
    "UnrollMemory",
    "attention_features",
    "embedding_features",
    "network_loops",
    "unrolled_gradient",
]
