"""The history of a distillation as plain numbers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Any

from ignite.engine import Engine, Events

__all__ = ["History"]


class History:
    """Records loss and learning rate of every iteration, and the metrics of every validation.

    A metric that is NaN is recorded as None, so that the rows are valid JSON. If all metrics are NaN, the students
    diverged, and the row has ``"diverged": True``.

    Args:
        validator: the engine that validates; attach this handler after the handler that runs it.

    Example:
        >>> history, trainer = History(), Engine(lambda engine, batch: [{"loss": 0.5, "student_lr": 0.01}])
        >>> history.attach(trainer)
        >>> _ = trainer.run([0, 1])
        >>> history.iterations
        [{'iteration': 1, 'loss': 0.5, 'student_lr': 0.01}, {'iteration': 2, 'loss': 0.5, 'student_lr': 0.01}]
    """

    def __init__(self, validator: Engine | None = None) -> None:
        self.validator = validator
        self.iterations: list[dict[str, float]] = []
        self.validations: list[dict[str, float | None]] = []

    def attach(self, engine: Engine) -> None:
        """Record every iteration and, at the end of every epoch, the validator's metrics."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs."""
        return {"iterations": list(self.iterations), "validations": list(self.validations)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""
        self.iterations, self.validations = list(state["iterations"]), list(state["validations"])

    def _iteration(self, engine: Engine) -> None:
        output = engine.state.output[0]
        self.iterations.append(
            {"iteration": engine.state.iteration, "loss": output["loss"], "student_lr": output["student_lr"]}
        )

    def _epoch(self, engine: Engine) -> None:
        if self.validator is not None:
            values = {name: float(value) for name, value in self.validator.state.metrics.items()}
            metrics = {name: None if math.isnan(value) else value for name, value in values.items()}
            diverged = bool(metrics) and all(value is None for value in metrics.values())
            mark = {"diverged": True} if diverged else {}
            self.validations.append({"iteration": engine.state.iteration, **metrics, **mark})
