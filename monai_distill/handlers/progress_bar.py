"""A progress bar over a whole run of an engine, with an estimate of the time left."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

from ignite.engine import Engine, Events

from monai_distill.runtime.processes import group
from monai_distill.runtime.progress import Bar, open_progress_bar

from .deferred_errors import reraise_after_handlers

__all__ = ["ProgressBar"]


class ProgressBar:
    """One bar from the first iteration to the last (ignite's own restarts every epoch).

    Without a terminal the log gets a line after 30 seconds and now and then.

    Only the first of several processes shows it.

    Args:
        description: what the engine does.
        unit: what one iteration is.
        show: names of the values in ``engine.state.output[0]`` to show.

    Example:
        >>> bar = ProgressBar("distilling", show=("loss",))
        >>> bar.attach(Engine(lambda engine, batch: [{"loss": 0.5}]))
    """

    def __init__(self, description: str, *, unit: str = "it", show: Sequence[str] = ()) -> None:
        self.description = description
        self.unit = unit
        self.show = tuple(show)
        self._bar: Bar | None = None

    def attach(self, engine: Engine) -> None:
        """Open the bar when the first epoch starts, close it when the engine ends or fails."""
        # not at Events.STARTED: a later handler of that event may load the state of an interrupted run
        engine.add_event_handler(Events.EPOCH_STARTED, self._open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._move)
        engine.add_event_handler(Events.COMPLETED, lambda engine: self._close())
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _open(self, engine: Engine) -> None:
        if self._bar is None:
            whole = (engine.state.max_epochs or 1) * (engine.state.epoch_length or 1)
            total = getattr(engine, "last_iteration", None) or whole  # the last epoch of a Distiller may be shorter
            self._bar = open_progress_bar(
                total, self.description, self.unit, initial=engine.state.iteration, first=group.is_first()
            )

    def _move(self, engine: Engine) -> None:
        if self._bar is not None:
            output = engine.state.output[0]
            self._bar.set_postfix({name: f"{output[name]:.3g}" for name in self.show}, refresh=False)
            self._bar.update(1)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _fail(self, engine: Engine, error: BaseException) -> None:
        self._close()
        reraise_after_handlers(engine)
