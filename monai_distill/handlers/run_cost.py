"""Time by part of a run, and its peak memory."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from ignite.engine import Engine, Events

from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.memory import PeakMemory
from monai_distill.runtime.processes import group

__all__ = ["RunCost"]

Result = TypeVar("Result")
OTHER = "other"


class RunCost:
    """Wall seconds by part of a run, and its peak memory; a resumed run continues to count.

    Time is charged to the innermost current part, else to ``other`` (reading data, writing files).
    Attached to an engine, the object charges that engine's runs to ``part``. A part with a file in ``shared`` belongs
    to several runs: each of them reports the time that it took, whichever run did the work.

    CPU seconds of the process are counted in the same way: on a machine that others use, too, they say more. Where a
    plan was made before the run, its forecast stands next to both.

    The record is written to ``file`` at the end of every part; time that a killed process spent after that is not
    counted. The first of several processes counts and writes, and records the number of processes.

    Args:
        file: a JSON file in the run's folder.
        memory: the peak to report.
        part: name of the part that an engine's runs are charged to.
        shared: file by name of a part.
        resume: whether to continue from ``file`` if it exists.
        plan: the file of the plan, if there is one.
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
        plan: str | Path | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.file = Path(file)
        self.memory = memory
        self.part = part
        self.shared = {name: Path(path) for name, path in (shared or {}).items()}
        self.resume = resume
        self.plan = None if plan is None else Path(plan)
        self.clock = clock
        self._seconds: dict[str, float] = {}
        self._cpu: dict[str, float] = {}
        self._cpu_since = 0.0
        self._peak = 0.0
        self._parts: list[str] = []
        self._since: float | None = None

    def attach(self, engine: Engine) -> None:
        """Charge every run of ``engine`` to ``part``."""
        engine.add_event_handler(Events.STARTED, lambda engine: self._enter(self.part))
        engine.add_event_handler(Events.COMPLETED, lambda engine: self._leave(len(self._parts) - 1))

    def start(self) -> None:
        """Start counting."""
        if self.resume and self.file.exists():
            stored = json.loads(self.file.read_text())
            self._seconds = {name: value for name, value in stored["seconds"].items() if name not in self.shared}
            cpu = stored.get("cpu_seconds", {})
            self._cpu = {name: value for name, value in cpu.items() if name not in self.shared}
            self._peak = stored["peak_memory_mib"]
        self.memory.restart()
        self._since, self._cpu_since = self.clock(), time.process_time()

    def forget(self, part: str) -> None:
        """Reset a part to 0, because it will be repeated."""
        self._seconds.pop(part, None)
        self._cpu.pop(part, None)

    def measured(self, part: str, work: Callable[[], Result]) -> Result:
        """Do ``work`` and charge its time to ``part``, also if it fails."""
        level = len(self._parts)
        self._enter(part)
        try:
            return work()
        finally:
            self._leave(level)

    def report(self) -> dict[str, Any]:
        """``seconds`` and ``cpu_seconds`` by part, ``peak_memory_mib``, whose memory that is (``memory_of``) and
        ``threads`` of the CPU; ``forecast`` of the plan.
        """
        self._charge()
        return self._so_far()

    def _enter(self, part: str) -> None:
        self._charge()
        self._seconds.setdefault(part, 0.0)  # parts are listed in the order of their first entry
        self._parts.append(part)

    def _leave(self, level: int) -> None:
        self._charge()
        del self._parts[level:]
        if group.is_first():
            atomic_write(self.file, json.dumps(self._so_far(), indent=2).encode())

    def _charge(self) -> None:
        now, cpu = self.clock(), time.process_time()
        part = self._parts[-1] if self._parts else OTHER
        elapsed = now - (now if self._since is None else self._since)
        used = 0.0 if self._since is None else cpu - self._cpu_since
        self._since, self._cpu_since = now, cpu
        if not group.is_first():
            return
        if part in self.shared:
            path = self.shared[part]
            path.parent.mkdir(parents=True, exist_ok=True)
            seconds, cpu_seconds = self._known(part, "seconds") + elapsed, self._known(part, "cpu_seconds") + used
            both = {"seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3)}
            atomic_write(path, json.dumps(both).encode())
        else:
            self._seconds[part] = self._seconds.get(part, 0.0) + elapsed
            self._cpu[part] = self._cpu.get(part, 0.0) + used

    def _so_far(self) -> dict[str, Any]:
        self._peak = max(self._peak, self.memory.mebibytes())
        names = [*dict.fromkeys(name for name in (*self.shared, *self._seconds) if name != OTHER), OTHER]
        forecast = {}
        if self.plan is not None and self.plan.exists():
            forecast = {"forecast": json.loads(self.plan.read_text())["forecast"]}
        return {
            "seconds": {name: round(self._known(name, "seconds"), 3) for name in names},
            "cpu_seconds": {name: round(self._known(name, "cpu_seconds"), 3) for name in names},
            "peak_memory_mib": round(self._peak, 1),
            "memory_of": self.memory.measured_on,
            "threads": torch.get_num_threads(),
            **forecast,
            **({"processes": group.count()} if group.count() > 1 else {}),
        }

    def _known(self, part: str, kind: str) -> float:
        if part not in self.shared:
            return (self._seconds if kind == "seconds" else self._cpu).get(part, 0.0)
        path = self.shared[part]
        return float(json.loads(path.read_text()).get(kind, 0.0)) if path.exists() else 0.0
