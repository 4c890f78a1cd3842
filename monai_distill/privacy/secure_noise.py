"""Noise that nobody can draw again: from the operating system's randomness, without a seed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["secure_coins", "secure_normal"]

DRAWS = 4  # Gaussians added up per value: what is left of the float grid of one then tells nothing
BITS = 53


def secure_normal(shape: Sequence[int], std: float) -> Tensor:
    """Normal noise [*shape] of standard deviation ``std``, float64 on the CPU, from ``os.urandom``.

    References:
        Holohan and Braghin, Secure Random Sampling in Differential Privacy, ESORICS 2021: the sum of 4 Gaussians, so
        that the spacing of floating-point numbers does not give away the value beneath.

    Raises:
        ValueError: for a standard deviation that is negative or not finite.

    Example:
        >>> secure_normal((2, 3), 1.0).shape, bool((secure_normal((9,), 1.0) != secure_normal((9,), 1.0)).any())
        (torch.Size([2, 3]), True)
    """
    if not 0 <= std < float("inf"):
        raise ValueError(f"Expected a standard deviation of at least 0 and finite, got {std}.")
    count = math.prod(shape)
    total = np.zeros(count)
    for _ in range(DRAWS // 2):
        radius = np.sqrt(-2 * np.log(1 - _uniform(count)))  # Box and Muller: two Gaussians of two uniforms
        angle = 2 * np.pi * _uniform(count)
        total += radius * (np.cos(angle) + np.sin(angle))
    return torch.from_numpy(std * total / math.sqrt(DRAWS)).reshape(tuple(shape))


def secure_coins(count: int, probability: float) -> Tensor:
    """Independent coins [count], True with ``probability``, from ``os.urandom``: a Poisson sample of records.

    Raises:
        ValueError: for a probability outside [0, 1].

    Example:
        >>> secure_coins(3, 1.0).tolist()
        [True, True, True]
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"Expected a probability from 0 to 1, got {probability}.")
    return torch.from_numpy(_uniform(count) < probability)


def _uniform(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Numbers in [0, 1) on a grid of 2**-53."""
    words = np.frombuffer(os.urandom(8 * count), dtype="<u8")
    return (words >> np.uint64(64 - BITS)).astype(np.float64) * 2.0**-BITS
