"""Selection of the synthetic set that scored best on validation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Any

from ignite.engine import Engine, Events

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.processes import exchange

__all__ = ["BestSynthetic"]


class BestSynthetic:
    """Attached to a validating engine, copies the synthetic set whenever the metric exceeds its previous maximum.

    Args:
        synthetic: the set under distillation.
        metric: name of the metric in ``engine.state.metrics``; higher is better.

    Raises:
        ValueError: from the engine's run, if it has no such metric.
        RuntimeError: from :meth:`restore`, if no validation had a score.

    Example:
        >>> import torch
        >>> best = BestSynthetic(SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"]), "accuracy")
        >>> engine = Engine(lambda engine, batch: None)
        >>> best.attach(engine)
        >>> engine.state.metrics["accuracy"] = 0.5
        >>> engine.fire_event(Events.EPOCH_COMPLETED)
        >>> best.value
        0.5
    """

    def __init__(self, synthetic: SyntheticDataset, metric: str = "balanced_accuracy") -> None:
        self.synthetic = synthetic
        self.metric = metric
        self.value: float | None = None
        self.epoch = 0
        self._best_state: dict[str, Any] = {}
        self._without_score = 0  # number of validations whose students diverged

    def attach(self, engine: Engine) -> None:
        """Compare at the end of every validation."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._compare)

    def restore(self) -> None:
        """Copy the best state back into the synthetic set; without a validation nothing changes.

        All processes take the first one's best state; the others need not validate.
        """
        if self._best_state:
            self.synthetic.load_state_dict(self._best_state)
        self.value, self.epoch = exchange.from_first(self._best)
        exchange.copy_from_first(self.synthetic.state_dict().values())

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs: tensors and plain numbers."""
        return {
            "value": self.value,
            "epoch": self.epoch,
            "best_state": self._best_state,
            "without_score": self._without_score,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""
        self.value, self.epoch, self._best_state = state["value"], state["epoch"], state["best_state"]
        self._without_score = state["without_score"]

    def _best(self) -> tuple[float | None, int]:
        if self.value is None and self._without_score:
            raise RuntimeError(
                f"Expected a {self.metric} to select by, got none in {self._without_score} validations: students "
                f"diverged every time, the last one at learning rate {float(self.synthetic.student_lr.detach()):g}. "
                "Lower it, or the rate at which a learned one is changed."
            )
        return self.value, self.epoch

    def _compare(self, engine: Engine) -> None:
        if self.metric not in engine.state.metrics:
            raise ValueError(
                f"Expected a metric {self.metric!r}, got {sorted(engine.state.metrics)}. Name one of these."
            )
        value = float(engine.state.metrics[self.metric])
        if math.isnan(value):
            self._without_score += 1
        elif self.value is None or value > self.value:
            self.value, self.epoch = value, int(engine.state.epoch)
            self._best_state = {name: tensor.detach().clone() for name, tensor in self.synthetic.state_dict().items()}
