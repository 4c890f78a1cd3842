"""Processes that run in turn, so that a ratio of their times means something on a shared machine."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any


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


def measure(rows: list[Row], repeats: int) -> None:
    """Start all rows' processes, ask them in turn ``repeats`` times, note answers.

    A first time, which does not count and may take minutes to compile, they run all at once.

    Raises:
        RuntimeError: when a process ends early; what it said on its error stream was shown.
    """
    processes = [_started(row) for row in rows]
    try:
        for row, process in zip(rows, processes, strict=True):
            _answer(row, process)  # ready
        for process in processes:
            _ask(process)
        for row, process in zip(rows, processes, strict=True):
            _answer(row, process)
        for _ in range(repeats):
            for row, process in zip(rows, processes, strict=True):
                _ask(process)
                taken = json.loads(_answer(row, process))
                row.seconds.append(taken["seconds"])
                row.cpu_seconds.append(taken["cpu_seconds"])
        for row, process in zip(rows, processes, strict=True):
            assert process.stdin is not None
            process.stdin.close()
            row.report = json.loads(_answer(row, process))
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _started(row: Row) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.benchmarks.subject", row.kind]
    for name, value in row.settings.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            words.append(f"--{name}={value}")
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _answer(row: Row, process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"Expected an answer of {row.name}, its process ended: see what it said above.")
    return line


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
