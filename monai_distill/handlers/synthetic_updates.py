"""Updates of the synthetic set after an iteration or an epoch: averages, labels of a teacher, a range of pixels."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.validation import require_in_interval

__all__ = ["AveragedSynthetic", "PixelRange", "TeacherRelabeler"]


class TeacherRelabeler:
    """Replaces the labels by a teacher's labels of the current images, at the end of every epoch.

    Attach it before the handlers that read the set. Without it a set would be validated and released with the labels of
    its initial images.

    References:
        TESLA: Cui et al., Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory, ICML 2023,
        https://arxiv.org/abs/2211.10586 (teacher labels).

    Args:
        synthetic: the set under distillation; it must have label logits, which no gradient may reach.
        labels: function of (images [n, channels, *spatial], class numbers [n]) to logits [n, classes].

    Raises:
        ValueError: if the set has hard labels.

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
        """Relabel at the end of every epoch."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self._relabel())

    def _relabel(self) -> None:
        with torch.no_grad():
            logits = self.labels(self.synthetic.decoded(), self.synthetic.labels)
            self.synthetic.label_logits.copy_(logits)


class PixelRange:
    """Clamps the pixels to a range after every iteration.

    The range is that of any image of the kind (0 to 1 before the preprocessing), not of the training images, about
    which it reveals nothing. Attach it before the handlers that read the images.

    Args:
        synthetic: the set under distillation.
        low: smallest value, after the preprocessing.
        high: largest value.

    Raises:
        ValueError: if the range is empty.

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
            raise ValueError(f"Expected low below high, got {low} and {high}. Exchange them.")
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
    """Maintains a set whose images are the moving average of another's; labels and learning rate are the current ones.

    After every iteration ``average = decay * average + (1 - decay) * images``. The average, ``value``, is validated,
    selected and released. Attach this handler before those that read it.

    References:
        FTD: Du et al., Minimizing the Accumulated Trajectory Error to Improve Dataset Distillation, CVPR 2023,
        https://arxiv.org/abs/2211.11004. ATT averages in the same way.

    Deviation: fresh students score the average (the released programs train one network on the plain images and then
    on the averaged ones).

    Args:
        synthetic: the set under distillation.
        decay: weight of the previous average, from 0 to below 1.

    Raises:
        ValueError: if the decay is out of that range.

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
        require_in_interval("[0, 1)", decay=decay)
        self.synthetic = synthetic
        self.decay = decay
        self.value = copy.deepcopy(synthetic)

    def attach(self, engine: Engine) -> None:
        """Update the average after every completed iteration."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: self._update())

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs: tensors."""
        return dict(self.value.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""
        self.value.load_state_dict(state)

    def _update(self) -> None:
        with torch.no_grad():
            current = self.synthetic.state_dict()
            for name, value in self.value.state_dict().items():
                if name == "images":
                    value.mul_(self.decay).add_(current[name], alpha=1 - self.decay)
                else:
                    value.copy_(current[name])
