"""Networks trained on real images whose trajectories are matched."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .balanced_epochs import BalancedEpochs
from .datm_soft_labels import correct_images, expert_labels, expert_logits, mean_of_right_logits
from .expert_protocol import ExpertProtocol, plain_direction
from .expert_trainer import ExpertTrainer
from .ftd_gsam import FlatDirection
from .pad_curriculum import Curriculum
from .pad_difficulty import error_length, gradient_length, image_difficulty

__all__ = [
    "BalancedEpochs",
    "Curriculum",
    "ExpertProtocol",
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
