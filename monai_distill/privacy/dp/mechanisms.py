"""A sum that can be told once, with noise, and is gone afterwards."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

__all__ = ["PrivateRelease", "secure_coins", "secure_normal"]

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


GRID = 2.0**-10  # of the noise's standard deviation, rounded down to a power of two


class PrivateRelease:
    """Holds a sum of clipped vectors until :meth:`draw` tells it, once, with Gaussian noise.

    The value is overwritten with zeros when it has been told, wherever else it was referred to. Telling it again with
    fresh noise would cost the budget anew (the public program of DOSSER does so at every step), so it raises.

    References:
        Dwork and Roth, The Algorithmic Foundations of Differential Privacy, 2014, appendix A (the Gaussian mechanism).

    Args:
        value: the sum, any shape; taken over, not copied.
        clip: by how much one record can move it, in Euclidean length over the whole tensor.
        noise_multiplier: standard deviation of the noise over the clip.

    Raises:
        ValueError: for a clip or noise multiplier that is not above 0 and finite.
        RuntimeError: from a second :meth:`draw`, and from an attempt to copy or pickle it.

    Example:
        >>> release = PrivateRelease(torch.zeros(2, 3), clip=1.0, noise_multiplier=2.0)
        >>> release.draw().shape
        torch.Size([2, 3])
        >>> release.draw()
        Traceback (most recent call last):
        RuntimeError: This release has been told. It cannot be told twice; keep what draw() returned.
    """

    def __init__(self, value: Tensor, *, clip: float, noise_multiplier: float) -> None:
        if not (0 < clip < float("inf") and 0 < noise_multiplier < float("inf")):
            raise ValueError(f"Expected a clip and a noise multiplier above 0, got {clip} and {noise_multiplier}.")
        self._value: Tensor | None = value.detach()
        self.std = clip * noise_multiplier

    def draw(self) -> Tensor:
        """The value with noise, float64 on the CPU, rounded to a coarse grid."""
        value, self._value = self._value, None
        if value is None:
            raise RuntimeError("This release has been told. It cannot be told twice; keep what draw() returned.")
        grid = 2.0 ** math.floor(math.log2(self.std * GRID))
        told = value.to("cpu", torch.float64) + secure_normal(value.shape, self.std)
        value.zero_()
        return (told / grid).round() * grid

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("A release is not copied or pickled: a copy could be told twice. Keep what draw() returns.")
