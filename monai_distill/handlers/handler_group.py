"""Several handlers in one place of a list, and the part of an engine's output that a handler shows."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ignite.engine import Engine

__all__ = ["HandlerGroup", "selected_output"]


class HandlerGroup:
    """Attaches its handlers in order, so that a configuration can name them and put them where the order matters.

    Args:
        handlers: with ``attach(engine)``; None is skipped (a handler with ``_disabled_: true``).

    Example:
        >>> from monai_distill.handlers import History
        >>> history, trainer = History(), Engine(lambda engine, batch: [{"loss": 0.5, "student_lr": 0.01}])
        >>> HandlerGroup([history, None]).attach(trainer)
        >>> _ = trainer.run([0])
        >>> len(history.iterations)
        1
    """

    def __init__(self, handlers: Sequence[Any]) -> None:
        self.handlers = [handler for handler in handlers if handler is not None]

    def attach(self, engine: Engine) -> None:
        """Attach every handler."""
        for handler in self.handlers:
            handler.attach(engine)


def selected_output(output: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The entries of a trainer's output that a handler shows.

    Example:
        >>> selected_output([{"loss": 0.5, "student_lr": 0.01, "gated": False}], ["loss"])
        {'loss': 0.5}
    """
    return {name: output[0][name] for name in names}
