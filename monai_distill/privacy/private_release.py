"""A sum that can be told once, with noise, and is gone afterwards."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import NoReturn

import torch
from torch import Tensor

from .secure_noise import secure_normal

__all__ = ["PrivateRelease"]

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
