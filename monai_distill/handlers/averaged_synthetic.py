"""A moving average of the synthetic images, released instead of the images themselves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_distill.data import SyntheticDataset

__all__ = ["AveragedSynthetic"]


class AveragedSynthetic:
    """Keeps a set whose images are the moving average of another's; its labels and step size are the current ones.

    After every iteration ``average = decay * average + (1 - decay) * images``. What is validated, selected and released
    is ``value``; attach this handler before those that look at it.

    References:
        Du et al., Minimizing the Accumulated Trajectory Error to Improve Dataset Distillation, CVPR 2023.

    Deviation: students that score the average are fresh (the released programs train the same network on the plain and
        then on the averaged images).

    Args:
        synthetic: the set under distillation.
        decay: weight of the average so far, 0 to below 1.

    Raises:
        ValueError: for a decay outside that range.

    Example:
        >>> data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"])
        >>> average = AveragedSynthetic(data, decay=0.75)
        >>> engine = Engine(lambda engine, batch: data.images.data.fill_(1))
        >>> average.attach(engine)
        >>> _ = engine.run([0, 1])
        >>> float(average.value.images.detach().mean())
        0.4375
    """

    def __init__(self, synthetic: SyntheticDataset, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"Expected a decay from 0 to below 1, got {decay}.")
        self.synthetic = synthetic
        self.decay = decay
        self.value = copy.deepcopy(synthetic)

    def attach(self, engine: Engine) -> None:
        """Take in the images of every completed iteration."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: self._take_in())

    def state_dict(self) -> dict[str, Any]:
        """What an exact resume needs: tensors."""
        return dict(self.value.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self.value.load_state_dict(state)

    def _take_in(self) -> None:
        with torch.no_grad():
            now = self.synthetic.state_dict()
            for name, value in self.value.state_dict().items():
                if name == "images":
                    value.mul_(self.decay).add_(now[name], alpha=1 - self.decay)
                else:
                    value.copy_(now[name])
