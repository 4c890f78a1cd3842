"""Subjects that run in turn, so that a ratio of their times means something on a shared machine."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.benchmarks import subject


@dataclass
class Row:
    """A subject, what it is called in the table, and what was measured of it."""

    name: str
    kind: str
    settings: dict[str, Any]
    units: float = 1.0  # outer iterations, images or students in one repeat
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Wall seconds per unit."""
        return statistics.median(self.seconds) / self.units

    @property
    def cpu_median(self) -> float:
        """Processor seconds per unit."""
        return statistics.median(self.cpu_seconds) / self.units


class Worker(Protocol):
    """Does a row's work once for every question."""

    def ask(self) -> None: ...

    def answer(self) -> dict[str, Any]: ...

    def close(self) -> None: ...


class Apart:
    """A row's subject in a process of its own."""

    def __init__(self, row: Row) -> None:
        self.row = row
        words = [sys.executable, "-m", "tests.benchmarks.subject", row.kind]
        for name, value in row.settings.items():
            if value is True:
                words.append(f"--{name}")
            elif value is not None and value is not False:
                words.append(f"--{name}={value}")
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended; the answer says so

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"Expected an answer of {self.row.name}, its process ended: see what it said above.")
        taken: dict[str, Any] = json.loads(line)
        return taken

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Here:
    """A row's subject in this process: for a first try, where starting a process takes longest."""

    def __init__(self, row: Row) -> None:
        self.subject = subject.Subject(row.kind, subject.options_of(row.settings))

    def ask(self) -> None:
        pass

    def answer(self) -> dict[str, Any]:
        return self.subject()

    def close(self) -> None:
        pass


def measure(
    rows: list[Row],
    repeats: int,
    start: Callable[[Row], Worker] = Apart,
    after_round: Callable[[int], object] = lambda number: None,
) -> None:
    """Start all rows' subjects, ask them in turn ``repeats`` times, note answers.

    A first time, which does not count and may take minutes to compile, they run all at once. ``after_round`` is called
    with the number of answers that every row has: what is known by then may be all there will be.

    Raises:
        RuntimeError: when a process ends early; what it said on its error stream was shown.
    """
    workers: list[Worker] = []
    try:
        workers.extend(start(row) for row in rows)
        for worker in workers:
            worker.ask()
        for worker in workers:
            worker.answer()
        for number in range(1, repeats + 1):
            for row, worker in zip(rows, workers, strict=True):
                worker.ask()
                taken = worker.answer()
                row.seconds.append(taken.pop("seconds"))
                row.cpu_seconds.append(taken.pop("cpu_seconds"))
                row.report = taken
            after_round(number)
    finally:
        for worker in workers:
            worker.close()


def ratios(first: Row, second: Row) -> tuple[float, float, float]:
    """Ratios of wall time, processor time and peak memory, first row over second; medians of paired ratios."""
    paired = zip(first.seconds, second.seconds, strict=True)
    paired_cpu = zip(first.cpu_seconds, second.cpu_seconds, strict=True)
    scale = second.units / first.units
    return (
        statistics.median(a / b for a, b in paired) * scale,
        statistics.median(a / b for a, b in paired_cpu) * scale,
        first.report["mib"] / second.report["mib"],
    )
