"""Protocols that evaluate a finished set: scores, other networks and trainings, architecture search, continual use."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .architecture_search import ArchitectureSearch
from .continual_learning import ContinualLearning
from .cross_architecture import CrossArchitecture
from .scorecard import Scorecard
from .scores_protocol import ScoresProtocol
from .training_variants import TrainingVariants

__all__ = [
    "ArchitectureSearch",
    "ContinualLearning",
    "CrossArchitecture",
    "Scorecard",
    "ScoresProtocol",
    "TrainingVariants",
]
