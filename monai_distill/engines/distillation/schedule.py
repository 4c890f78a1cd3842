"""Numbers of an outer loop that follow from other settings: rounds, iterations, learning rate, memory."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

__all__ = ["default_memory_budget", "gradient_iterations", "matching_image_lr", "whole_rounds"]


def whole_rounds(iterations: int, iterations_per_round: int) -> int:
    """Rounds between validations, the last one filled up.

    Raises:
        ValueError: for less than one iteration per round.

    Example:
        >>> whole_rounds(200, 100), whole_rounds(201, 100)
        (2, 3)
    """
    if iterations_per_round < 1:
        raise ValueError(f"Expected validate_every of at least 1, got {iterations_per_round}.")
    return -(-iterations // iterations_per_round)


def gradient_iterations(networks: int, outer_steps: int) -> int:
    """Outer iterations of gradient matching: every network is used for ``outer_steps`` image steps.

    Example:
        >>> gradient_iterations(networks=20, outer_steps=10)
        200
    """
    return networks * outer_steps


def matching_image_lr(base: float, images_per_class: int) -> float:
    """Learning rate of the images in distribution matching: ten times ``base`` above 50 images per class.

    References:
        Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023 (the released program).

    Example:
        >>> matching_image_lr(1.0, 50), matching_image_lr(1.0, 51)
        (1.0, 10.0)
    """
    return base * (10 if images_per_class > 50 else 1)


def default_memory_budget(device: torch.device | str) -> int:
    """MiB that the graph of an unrolled student may take: 4096 on a GPU, 512 on a CPU.

    Example:
        >>> default_memory_budget("cpu")
        512
    """
    return 4096 if torch.device(device).type == "cuda" else 512
