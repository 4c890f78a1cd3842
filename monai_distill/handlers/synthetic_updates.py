"""A moving average of the synthetic images, released instead of the images themselves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from monai_distill.data import SyntheticDataset

__all__ = ["AveragedSynthetic", "PixelRange", "TeacherRelabeler"]


class TeacherRelabeler:
    """Asks for the labels of the images as they are, at the end of every epoch, before these are validated and kept.

    Attach it before the handlers that look at the set. Without it a set would be validated and released with labels of
    the images that it started from.

    References:
        Cui et al., Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory, ICML 2023 (teacher labels).

    Args:
        synthetic: the set under distillation; it must have label logits, and no gradient may reach them.
        labels: function of (images [n, channels, *spatial], class numbers [n]) to logits [n, classes].

    Raises:
        ValueError: when the set has hard labels.

    Example:
        >>> logits = torch.zeros(1, 1)
        >>> data = SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a"], label_logits=logits)
        >>> engine = Engine(lambda engine, batch: None)
        >>> TeacherRelabeler(data, lambda images, labels: images.mean(dim=(1, 2, 3))[:, None]).attach(engine)
        >>> _ = engine.run([0])
        >>> data.label_logits.tolist()
        [[1.0]]
    """

    def __init__(self, synthetic: SyntheticDataset, labels: Callable[[Tensor, Tensor], Tensor]) -> None:
        if not synthetic.soft:
            raise ValueError("Expected a set with label logits, got hard labels. Give it initial_labels.")
        self.synthetic = synthetic
        self.labels = labels

    def attach(self, engine: Engine) -> None:
        """Ask at the end of every epoch."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self._ask())

    def _ask(self) -> None:
        with torch.no_grad():
            fresh = self.labels(self.synthetic.images.detach(), self.synthetic.labels)
            self.synthetic.label_logits.copy_(fresh)


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


class AveragedSynthetic:
    """Keeps a set whose images are the moving average of another's; its labels and learning rate are the current ones.

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
