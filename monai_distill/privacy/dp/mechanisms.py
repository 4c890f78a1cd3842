"""The Gaussian mechanism: noise from the operating system, and a sum that can be released only once."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from monai_distill.runtime.validation import require_in_interval

__all__ = ["PrivateRelease", "secure_coins", "secure_normal"]

SUMMANDS = 4  # Gaussians added per value, so that the floating-point spacing of a single one is not visible
BITS = 53


def secure_normal(shape: Sequence[int], std: float) -> Tensor:
    """Normal noise [*shape] of standard deviation ``std``, float64 on the CPU, from ``os.urandom``.

    References:
        Holohan and Braghin, Secure Random Sampling in Differential Privacy, ESORICS 2021,
        https://arxiv.org/abs/2107.10138: a sum of four Gaussians hides the spacing of floating-point numbers, which
        would otherwise reveal the value under the noise.

    Raises:
        ValueError: for a standard deviation that is negative or not finite.

    Example:
        >>> secure_normal((2, 3), 1.0).shape, bool((secure_normal((9,), 1.0) != secure_normal((9,), 1.0)).any())
        (torch.Size([2, 3]), True)
    """
    require_in_interval("[0, inf)", std=std)
    count = math.prod(shape)
    total = np.zeros(count)
    for _ in range(SUMMANDS // 2):
        radius = np.sqrt(-2 * np.log(1 - _uniform(count)))  # Box and Muller: two Gaussians from two uniform numbers
        angle = 2 * np.pi * _uniform(count)
        total += radius * (np.cos(angle) + np.sin(angle))
    return torch.from_numpy(std * total / math.sqrt(SUMMANDS)).reshape(tuple(shape))


def secure_coins(count: int, probability: float) -> Tensor:
    """Independent coins [count], True with ``probability``, from ``os.urandom``: a Poisson sample of records.

    Raises:
        ValueError: for a probability outside [0, 1].

    Example:
        >>> secure_coins(3, 1.0).tolist()
        [True, True, True]
    """
    require_in_interval("[0, 1]", probability=probability)
    return torch.from_numpy(_uniform(count) < probability)


def _uniform(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Numbers in [0, 1), multiples of 2**-53."""
    words = np.frombuffer(os.urandom(8 * count), dtype="<u8")
    return (words >> np.uint64(64 - BITS)).astype(np.float64) * 2.0**-BITS


GRID = 2.0**-10  # grid of a released value in standard deviations of the noise, rounded down to a power of two


class PrivateRelease:
    """Holds a sum of clipped vectors until :meth:`draw` releases it, once, with Gaussian noise.

    :meth:`draw` overwrites the sum with zeros, also for other holders of the tensor. A second draw raises, because each
    draw with new noise costs the budget again. (The public program of DOSSER adds new noise at every step.)

    References:
        Dwork and Roth, The Algorithmic Foundations of Differential Privacy, 2014, appendix A (the Gaussian mechanism).

    Args:
        value: the sum, any shape; not copied.
        clip: how far one record can move the sum, in Euclidean length over the whole tensor.
        noise_multiplier: standard deviation of the noise divided by the clip.

    Raises:
        ValueError: for a clip or noise multiplier that is not above 0 and finite.
        RuntimeError: from a second :meth:`draw`, and from an attempt to copy or pickle the object.

    Example:
        >>> release = PrivateRelease(torch.zeros(2, 3), clip=1.0, noise_multiplier=2.0)
        >>> release.draw().shape
        torch.Size([2, 3])
        >>> release.draw()
        Traceback (most recent call last):
        RuntimeError: This sum has been released. It cannot be released twice; store the result of draw().
    """

    def __init__(self, value: Tensor, *, clip: float, noise_multiplier: float) -> None:
        require_in_interval("(0, inf)", clip=clip, noise_multiplier=noise_multiplier)
        self._value: Tensor | None = value.detach()
        self.std = clip * noise_multiplier

    def draw(self) -> Tensor:
        """Return the sum with noise, float64 on the CPU, rounded to a coarse grid."""
        value, self._value = self._value, None
        if value is None:
            raise RuntimeError("This sum has been released. It cannot be released twice; store the result of draw().")
        grid = 2.0 ** math.floor(math.log2(self.std * GRID))
        noisy = value.to("cpu", torch.float64) + secure_normal(value.shape, self.std)
        value.zero_()
        return (noisy / grid).round() * grid

    def __reduce__(self) -> NoReturn:
        raise RuntimeError(
            "A release cannot be copied or pickled: a copy could be released again. Store draw()'s result."
        )
