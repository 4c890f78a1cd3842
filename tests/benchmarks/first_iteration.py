"""``python -m tests.benchmarks first_iteration -- run ...``: CPU seconds and peak memory of a command up to its first
iteration of ``dm``, per iteration, and at its end. CPU seconds stay valid on a busy machine, wall times do not.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import resource
import statistics
import time
from collections.abc import Sequence
from typing import Any
from unittest import mock

from monai_distill.cli.main import main as command
from monai_distill.configuration import python_run  # imports everything that a run needs  # noqa: F401
from monai_distill.data import ClassBatches
from monai_distill.engines.distillation import Distiller, DistributionMatching
from monai_distill.runtime.memory import PeakMemory

MEMORY = PeakMemory("cpu")


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Watch:
    """Prints what a run has taken since the libraries were imported."""

    def __init__(self) -> None:
        self.cpu, self.wall, self.peak = cpu_seconds(), time.perf_counter(), MEMORY.mebibytes()
        self.drawing: list[float] = []
        self.computing: list[float] = []

    def say(self, what: str) -> None:
        """CPU and wall seconds, and the peak above the libraries."""
        seconds, wall = cpu_seconds() - self.cpu, time.perf_counter() - self.wall
        print(
            f"{what}: {seconds:.1f} s CPU, {wall:.1f} s, peak {MEMORY.mebibytes() - self.peak:.0f} MiB above",
            flush=True,
        )

    def timed(self, function: Any, times: list[float]) -> Any:
        """``function`` with its CPU seconds noted."""

        def call(*arguments: Any) -> Any:
            before = cpu_seconds()
            result = function(*arguments)
            times.append(cpu_seconds() - before)
            return result

        return call

    def begun(self, run: Any) -> Any:
        """``run`` of the distiller; what the plan timed before is forgotten."""

        def call(*arguments: Any) -> Any:
            self.say("first iteration")
            self.drawing.clear()
            self.computing.clear()
            return run(*arguments)

        return call


def main(words: Sequence[str]) -> int:
    """Run the command under watch."""
    watch = Watch()
    print(f"libraries: {watch.peak:.0f} MiB")
    patches = {
        (DistributionMatching, "__call__"): watch.timed(DistributionMatching.__call__, watch.computing),
        (ClassBatches, "__getitem__"): watch.timed(ClassBatches.__getitem__, watch.drawing),
        (Distiller, "run"): watch.begun(Distiller.run),
    }
    with contextlib.ExitStack() as stack:
        for (owner, name), function in patches.items():
            stack.enter_context(mock.patch.object(owner, name, function))
        code = command(list(words[1:] if words[:1] == ["--"] else words))
    watch.say("end")
    for name, times in (("drawing a batch", watch.drawing), ("an iteration on it", watch.computing)):
        if times:
            print(f"{name}: median {1000 * statistics.median(times):.1f} ms CPU of {len(times)}")
    return int(code)
