"""Raising an engine's error only after every handler has heard of it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ignite.engine import Engine, Events

__all__ = ["reraise_after_handlers"]


def reraise_after_handlers(engine: Engine) -> None:
    """Have the error that is being handled raised once the other handlers of ``EXCEPTION_RAISED`` are done.

    Ignite leaves an error to its handlers, and the first one that raises keeps the rest from running. Called from such
    a handler, this puts the raising at the end of the line.

    Example:
        >>> engine = Engine(lambda engine, batch: 1 / 0)
        >>> reraise = lambda engine, error: reraise_after_handlers(engine)
        >>> engine.add_event_handler(Events.EXCEPTION_RAISED, reraise) is None
        False
        >>> engine.add_event_handler(Events.EXCEPTION_RAISED, lambda engine, error: print("heard of it")) is None
        False
        >>> engine.run([0])
        Traceback (most recent call last):
        ZeroDivisionError: division by zero
    """
    if not engine.has_event_handler(_raise, Events.EXCEPTION_RAISED):
        engine.add_event_handler(Events.EXCEPTION_RAISED, _raise)


def _raise(engine: Engine, error: BaseException) -> None:
    engine.remove_event_handler(_raise, Events.EXCEPTION_RAISED)
    raise error
