"""An engine's error is raised only after all its handlers have run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ignite.engine import Engine, Events

__all__ = ["reraise_after_handlers"]


def reraise_after_handlers(engine: Engine) -> None:
    """Raise the current error after the other handlers of ``EXCEPTION_RAISED`` have run.

    Ignite passes an error to its handlers, and the first handler that raises prevents the rest from running. A handler
    that calls this function moves the raise behind all of them.

    Example:
        >>> engine = Engine(lambda engine, batch: 1 / 0)
        >>> reraise = lambda engine, error: reraise_after_handlers(engine)
        >>> engine.add_event_handler(Events.EXCEPTION_RAISED, reraise) is None
        False
        >>> engine.add_event_handler(Events.EXCEPTION_RAISED, lambda engine, error: print("notified")) is None
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
