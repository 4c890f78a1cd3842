"""Where the time of a run went, and how much memory it took."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from ignite.engine import Engine, Events

from monai_distill.runtime import PeakMemory, processes
from monai_distill.runtime.atomic_file import atomic_write

__all__ = ["RunCost"]

Result = TypeVar("Result")
OTHER = "other"


class RunCost:
    """Wall seconds by part of a run, and its peak memory; a resumed run goes on counting.

    Every moment is charged to the innermost part under way, ``other`` (reading data, writing files) when there is none.
    Attached to an engine, it charges that engine's runs to ``part``. A part with a file of its own in ``shared`` is
    what several runs have in common: each of them reports what it took to make, whichever run made it.

    Kept in ``file`` at the end of every part; what a killed process spent after that is not counted. Of several
    processes the first one counts and writes, and says how many they were.

    Args:
        file: a JSON file in the run's folder.
        memory: the peak to report.
        part: name of the part that is charged when an engine runs.
        shared: file by name of a part.
        resume: whether to go on from ``file`` when it exists.
        clock: seconds of a steady clock.

    Example:
        >>> import tempfile
        >>> ticks = iter([0.0, 1.0, 4.0, 4.5])
        >>> file = Path(tempfile.mkdtemp()) / "cost.json"
        >>> cost = RunCost(file, PeakMemory("cpu"), clock=lambda: next(ticks))
        >>> cost.start()
        >>> cost.measured("experts", lambda: "trained")
        'trained'
        >>> cost.report()["seconds"]
        {'experts': 3.0, 'other': 1.5}
    """

    def __init__(
        self,
        file: str | Path,
        memory: PeakMemory,
        *,
        part: str = "validation",
        shared: Mapping[str, str | Path] | None = None,
        resume: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.file = Path(file)
        self.memory = memory
        self.part = part
        self.shared = {name: Path(path) for name, path in (shared or {}).items()}
        self.resume = resume
        self.clock = clock
        self._seconds: dict[str, float] = {}
        self._peak = 0.0
        self._parts: list[str] = []
        self._since: float | None = None

    def attach(self, engine: Engine) -> None:
        """Charge every run of ``engine`` to ``part``."""
        engine.add_event_handler(Events.STARTED, lambda engine: self._enter(self.part))
        engine.add_event_handler(Events.COMPLETED, lambda engine: self._leave(len(self._parts) - 1))

    def start(self) -> None:
        """Begin to count."""
        if self.resume and self.file.exists():
            kept = json.loads(self.file.read_text())
            self._seconds = {name: value for name, value in kept["seconds"].items() if name not in self.shared}
            self._peak = kept["peak_memory_mib"]
        self.memory.restart()
        self._since = self.clock()

    def forget(self, part: str) -> None:
        """Count a part from nothing again, because it is done anew."""
        self._seconds.pop(part, None)

    def measured(self, part: str, work: Callable[[], Result]) -> Result:
        """Do ``work`` and charge its time to ``part``, also when it fails."""
        level = len(self._parts)
        self._enter(part)
        try:
            return work()
        finally:
            self._leave(level)

    def report(self) -> dict[str, Any]:
        """``seconds`` by part, ``peak_memory_mib``, whose memory that is (``memory_of``) and ``threads`` of the CPU."""
        self._charge()
        return self._so_far()

    def _enter(self, part: str) -> None:
        self._charge()
        self._seconds.setdefault(part, 0.0)  # parts are listed as they were first entered
        self._parts.append(part)

    def _leave(self, level: int) -> None:
        self._charge()
        del self._parts[level:]
        if processes.is_first():
            atomic_write(self.file, json.dumps(self._so_far(), indent=2).encode())

    def _charge(self) -> None:
        now = self.clock()
        part = self._parts[-1] if self._parts else OTHER
        elapsed = now - (now if self._since is None else self._since)
        self._since = now
        if not processes.is_first():
            return
        if part in self.shared:
            path = self.shared[part]
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, json.dumps({"seconds": round(self._known(part) + elapsed, 3)}).encode())
        else:
            self._seconds[part] = self._seconds.get(part, 0.0) + elapsed

    def _so_far(self) -> dict[str, Any]:
        self._peak = max(self._peak, self.memory.mebibytes())
        names = [*dict.fromkeys(name for name in (*self.shared, *self._seconds) if name != OTHER), OTHER]
        return {
            "seconds": {name: round(self._known(name), 3) for name in names},
            "peak_memory_mib": round(self._peak, 1),
            "memory_of": self.memory.measured_on,
            "threads": torch.get_num_threads(),
            **({"processes": processes.count()} if processes.count() > 1 else {}),
        }

    def _known(self, part: str) -> float:
        if part not in self.shared:
            return self._seconds.get(part, 0.0)
        path = self.shared[part]
        return float(json.loads(path.read_text())["seconds"]) if path.exists() else 0.0
