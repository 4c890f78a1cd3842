"""Networks trained on real images whose trajectories are matched."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .curriculum import BalancedEpochs, Curriculum
from .difficulty import error_length, gradient_length, image_difficulty
from .expert_trainer import ExpertTrainer, plain_direction
from .ftd_gsam import FlatDirection
from .soft_labels import correct_images, expert_labels, expert_logits, mean_of_right_logits

__all__ = [
    "BalancedEpochs",
    "Curriculum",
    "ExpertTrainer",
    "FlatDirection",
    "correct_images",
    "error_length",
    "expert_labels",
    "expert_logits",
    "gradient_length",
    "image_difficulty",
    "mean_of_right_logits",
    "plain_direction",
]
