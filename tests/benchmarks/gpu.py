"""All that is to be shown on a GPU, by one command, against the official program and the clock.

``python -m tests.benchmarks gpu --reference DIR --data ../shared/data/cifar10_jpeg.zip --out runs/gpu`` prints
iterations per second at 1 and 10 images per class, expert epochs per second, and the time of a CIFAR-10 run from
nothing to its score.
``--device cpu --width 8 --side 16 --shrink 10`` tries it out.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import ladder
from tests.benchmarks.comparison import Row, measure, ratios
from tests.benchmarks.subject import arguments
from tests.benchmarks.table import distillation_rows, training_rows

SETTINGS = ((1, 50), (10, 30))  # images per class, student steps: the published ones of CIFAR-10
FASTER = {"iterations": 5.0, "experts": 8.0}
RUN_SECONDS = 600.0


def verdict(name: str, value: float, target: float, at_least: bool) -> str:
    """The figure next to its target."""
    good = value >= target if at_least else value <= target
    return f"{name}: {value:.2f} ({'at least' if at_least else 'at most'} {target:g}: {'ok' if good else 'missed'})"


def compared(rows: list[Row], repeats: int, name: str, target: float) -> list[str]:
    """Measure and say how many times the official speed every row has; nothing is claimed without the official one.

    The target is the fastest row's of one segment: a user may ask for any of them.
    """
    measure(rows, repeats)
    official = rows[-1] if rows[-1].kind.startswith("official") else None
    times = {} if official is None else {row.name: 1 / ratios(row, official)[0] for row in rows[:-1]}
    held = [row.name for row in rows if row.name in times and row.settings.get("segments", 1) == 1]
    fastest = max(held, key=times.__getitem__, default=None)
    lines = []
    for row in rows:
        said = f"{name}, {row.name}: {1 / row.median:.3g} per second, {row.report['mib']:.0f} MiB"
        if row.name in times:
            faster = times[row.name]
            said += "; " + (
                verdict("times official", faster, target, True) if row.name == fastest else f"{faster:.2f} times"
            )
        lines.append(said)
        print(said, flush=True)  # at once: the machine may be lent for less than all takes
    return lines


def ladder_line(data: str, device: str, out: Path, words: list[str]) -> str:
    """Run the ladder from nothing and say what it took."""
    begin = time.perf_counter()
    ladder.main(["--data", data, "--device", device, "--out", str(out), *words])
    seconds = time.perf_counter() - begin
    last = json.loads((out / "ladder.json").read_text())["curve"][-1]
    reached = f"accuracy {last['accuracy']} at iteration {last['iteration']}"
    return verdict(f"a run from nothing ({reached}), seconds", seconds, RUN_SECONDS, False)


def main(words: list[str]) -> int:
    """Measure and print; 1 when a target is missed. What is not known goes to the ladder."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[arguments()], conflict_handler="resolve")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shrink", type=int, default=1, help="divide student steps and real images, to try it out")
    parser.add_argument("--data", default=None, help="of the ladder; none without it")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.set_defaults(
        device="cuda",
        width=128,
        real_images=50_000,
        experts_at_once=10,
        memory_budget=16384.0,
        compiled=True,
        segments=8,
    )
    known, rest = parser.parse_known_args(words)
    options: dict[str, Any] = vars(known)
    repeats, shrink, data, out = (options.pop(name) for name in ("repeats", "shrink", "data", "out"))
    options["real_images"] //= shrink
    lines = []
    for ipc, steps in SETTINGS:
        settings = {**options, "ipc": ipc, "student_steps": max(steps // shrink, 1)}
        name = f"IPC {ipc}, N {settings['student_steps']}, iterations"
        lines += compared(distillation_rows(settings), repeats, name, FASTER["iterations"])
    lines += compared(training_rows("experts", options), repeats, "expert epochs", FASTER["experts"])
    if data is not None:
        lines.append(ladder_line(data, options["device"], out / time.strftime("ladder-%Y%m%d-%H%M%S"), rest))
        print(lines[-1])
    return int(any("missed" in line for line in lines))
