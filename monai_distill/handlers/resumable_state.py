"""Saves and loads the state of a run; a killed and resumed run ends exactly like an uninterrupted one."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import pickle
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import Workflow
from monai.engines.utils import IterationEvents

from monai_distill.runtime.atomic_file import advice_for
from monai_distill.runtime.processes import exchange, group

from .deferred_errors import reraise_after_handlers

__all__ = ["ResumableState"]


class ResumableState:
    """Writes the state of all objects in ``save_dict`` between two iterations and reads it at the start.

    It saves at the end of every epoch and every ``interval`` iterations. It also saves if a MONAI engine fails inside
    an iteration that has changed nothing yet (a loss that is not finite): the state before that iteration. Ctrl-C takes
    effect at the end of the current iteration: the state is saved, then ``KeyboardInterrupt`` is raised. A second
    Ctrl-C does not wait.

    In a job of several processes the first one writes and reads, and all continue from the state that it read. Ctrl-C
    in one process stops all after the same iteration.

    Args:
        file: the checkpoint; its folder is created if absent.
        save_dict: objects with ``state_dict`` and ``load_state_dict`` holding tensors and plain numbers only; None for
            a part that the run does not have.
        job: plain JSON values that define the run; a checkpoint of another job is refused, and the error names the
            differences.
        resume: whether to continue from ``file`` if it exists.
        interval: iterations between two saves inside an epoch.

    Raises:
        RuntimeError: from the engine's run, if the file exists and ``resume`` is off, or it belongs to another job.

    Example:
        >>> import tempfile
        >>> layer, trainer = torch.nn.Linear(1, 1), Engine(lambda engine, batch: None)
        >>> handler = ResumableState(Path(tempfile.mkdtemp()) / "state.pt", {"layer": layer}, job={})
        >>> handler.attach(trainer)
        >>> _ = trainer.run([0, 1])
        >>> sorted(torch.load(handler.file, weights_only=True))
        ['job', 'layer', 'trainer']
    """

    def __init__(
        self,
        file: str | Path,
        save_dict: Mapping[str, Any],
        *,
        job: Mapping[str, Any],
        resume: bool = False,
        interval: int = 20,
    ) -> None:
        self.file = Path(file)
        self.save_dict = {name: member for name, member in save_dict.items() if member is not None}
        self.job = json.loads(json.dumps(dict(job)))
        self.resume = resume
        self.interval = interval
        self._stop_requested = False
        self._unchanged = False  # the current iteration has changed nothing so far
        self._previous: Any = None

    def attach(self, engine: Engine) -> None:
        """Load at the start, save between iterations; the engine's own state is saved as ``trainer``."""
        self.save_dict["trainer"] = engine
        engine.add_event_handler(Events.STARTED, self._start)
        if isinstance(engine, Workflow):  # other engines have no such event
            engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self._note_unchanged, False)
            engine.add_event_handler(Events.ITERATION_STARTED, self._note_unchanged, True)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._between)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self._save_then_stop_if_requested())
        engine.add_event_handler(Events.COMPLETED, lambda engine: self._release())
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def save(self, completed: int | None = None) -> None:
        """Write the checkpoint now.

        Args:
            completed: number of iterations that it contains; by default the engine's count.

        Raises:
            RuntimeError: if it cannot be written; the previous checkpoint remains.
        """
        if not group.is_first():
            return
        unfinished = self.file.with_name(self.file.name + ".part")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            states = {name: member.state_dict() for name, member in self.save_dict.items()}
            if completed is not None:
                states["trainer"]["iteration"] = completed
            torch.save({"job": self.job, **states}, unfinished)
            unfinished.replace(self.file)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            unfinished.unlink(missing_ok=True)
            raise RuntimeError(
                f"Cannot save the state to {self.file}: {error}. {advice_for(error)} and resume."
            ) from error

    def load(self) -> None:
        """Read the checkpoint back into the objects.

        Raises:
            RuntimeError: if it belongs to another job, or is not a checkpoint.
        """
        state = exchange.from_first(self._read)
        stored = state.pop("job")
        names = [k for k in sorted({*stored, *self.job}) if stored.get(k) != self.job.get(k)]
        if names:
            rows = "; ".join(f"{k}: found {stored.get(k)!r}, expected {self.job.get(k)!r}" for k in names)
            raise RuntimeError(f"{self.file} belongs to another run ({rows}). Give another output_dir.")
        for name, member in self.save_dict.items():
            member.load_state_dict(state[name])

    def _read(self) -> dict[str, Any]:
        try:
            # not onto the GPU that saved it, which may not exist here
            state = torch.load(self.file, weights_only=True, map_location="cpu")
            return {"job": state.pop("job"), **state}
        except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
            raise RuntimeError(f"{self.file} is damaged or no state of a run. Delete it to start again.") from error

    def _start(self, engine: Engine) -> None:
        if exchange.from_first(lambda: self.job) != self.job:
            raise RuntimeError(
                "Expected every process to have the first one's job, got another: its data or settings differ. Give "
                "every machine the same data."
            )
        exists = exchange.from_first(self.file.exists)
        if exists and not self.resume:
            raise RuntimeError(
                f"{self.file} holds an earlier run's state. Resume that run, or give another output_dir."
            )
        if exists:
            self.load()
        self._stop_requested = self._unchanged = False
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._request_stop)

    def _note_unchanged(self, engine: Engine, unchanged: bool) -> None:
        self._unchanged = unchanged

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        if self._stop_requested:
            raise KeyboardInterrupt
        self._stop_requested = True

    def _between(self, engine: Engine) -> None:
        # After an epoch's last iteration handlers still validate: a state saved before that would skip it on resume.
        whole = engine.state.iteration % (engine.state.epoch_length or 1) == 0
        last_of_epoch = whole or bool(engine.should_terminate_single_epoch)
        if not last_of_epoch and (self._stop_for_all() or engine.state.iteration % self.interval == 0):
            self._save_then_stop_if_requested()

    def _stop_for_all(self) -> bool:
        return bool(exchange.anywhere(torch.tensor(self._stop_requested)))

    def _save_then_stop_if_requested(self) -> None:
        self.save()
        if self._stop_for_all():
            raise KeyboardInterrupt

    def _release(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _fail(self, engine: Engine, error: BaseException) -> None:
        self._release()
        reraise_after_handlers(engine)
        if self._unchanged and isinstance(error, RuntimeError):
            self._unchanged = False  # ignite reports an error in an iteration twice
            self.save(engine.state.iteration - 1)
