"""Soft labels that follow the images, for methods in which a teacher labels them anew in every iteration."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from monai_distill.data import SyntheticDataset

__all__ = ["FreshLabels"]


class FreshLabels:
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
        >>> FreshLabels(data, lambda images, labels: images.mean(dim=(1, 2, 3))[:, None]).attach(engine)
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
