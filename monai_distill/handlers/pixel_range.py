"""Synthetic images that stay images: no pixel leaves the range that real ones can have."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from ignite.engine import Engine, Events

from monai_distill.data import SyntheticDataset

__all__ = ["PixelRange"]


class PixelRange:
    """Puts pixels that an iteration moved out of a range back on its border.

    The range is that of any image of the kind (0 to 1 before the preprocessing), not of the training images, so it
    tells nothing of these; attach it before the handlers that look at the images.

    Args:
        synthetic: the set under distillation.
        low: smallest value, as the networks see it.
        high: largest.

    Raises:
        ValueError: for an empty range.

    Example:
        >>> data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"])
        >>> engine = Engine(lambda engine, batch: data.images.data.add_(3))
        >>> PixelRange(data, -1.0, 1.0).attach(engine)
        >>> _ = engine.run([0])
        >>> float(data.images.detach().max())
        1.0
    """

    def __init__(self, synthetic: SyntheticDataset, low: float, high: float) -> None:
        if not low < high:
            raise ValueError(f"Expected low below high, got {low} and {high}.")
        self.synthetic = synthetic
        self.low = low
        self.high = high

    def attach(self, engine: Engine) -> None:
        """Clamp after every completed iteration."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: self._clamp())

    def _clamp(self) -> None:
        with torch.no_grad():
            self.synthetic.images.clamp_(self.low, self.high)
