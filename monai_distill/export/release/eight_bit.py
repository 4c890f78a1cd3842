"""Pixel values as bytes and back, with the scale that undoes it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["EightBit"]


@dataclass(frozen=True)
class EightBit:
    """One linear scale for a whole set: byte 0 is ``low``, byte 255 is ``high``, in pixel values.

    A distilled signal leaves the range of real images (0 to 1). Clipping it would cost accuracy, so the scale is
    widened to the set's own range and has to travel with the bytes; a set that stays within 0 to 1 keeps 0 to 1.

    Args:
        low: pixel value of byte 0.
        high: pixel value of byte 255, above ``low``.

    Raises:
        ValueError: when ``high`` is not above ``low``, or either is not finite.

    Example:
        >>> scale = EightBit.of(torch.tensor([-1.0, 0.5, 2.0]))
        >>> scale, scale.to_bytes(torch.tensor([-1.0, 2.0])).tolist()
        (EightBit(low=-1.0, high=2.0), [0, 255])
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -np.inf < self.low < self.high < np.inf:
            raise ValueError(f"Expected finite low < high, got {self.low} and {self.high}. Take EightBit.of(pixels).")

    @classmethod
    def of(cls, pixels: Tensor) -> EightBit:
        """The scale of a set's pixel values, of any shape."""
        return cls(min(0.0, float(pixels.min())), max(1.0, float(pixels.max())))

    @property
    def step(self) -> float:
        """Pixel value of one grey level; rounding moves a pixel by at most half of it."""
        return (self.high - self.low) / 255

    def to_bytes(self, pixels: Tensor) -> NDArray[np.uint8]:
        """Pixel values to bytes of the same shape."""
        levels = ((pixels.detach().cpu().double() - self.low) / self.step).round().clamp(0, 255)
        stored: NDArray[np.uint8] = levels.to(torch.uint8).numpy()
        return stored

    def to_pixels(self, stored: NDArray[Any]) -> Tensor:
        """Bytes to float32 pixel values of the same shape."""
        return (torch.from_numpy(stored.astype(np.float64)) * self.step + self.low).float()
