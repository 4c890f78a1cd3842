"""Networks trained on real images whose trajectories are matched."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .expert_protocol import ExpertProtocol, plain_direction
from .expert_trainer import ExpertTrainer
from .ftd_gsam import FlatDirection

__all__ = [
    "ExpertProtocol",
    "ExpertTrainer",
    "FlatDirection",
    "plain_direction",
]
