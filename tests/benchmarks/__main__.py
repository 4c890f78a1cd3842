"""Tables of time and peak memory of the inner loop, every row measured in a process of its own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

MOST_GROWTH = 1.3  # peak memory at 40 student steps against 5, with chunk=1


def row(**settings: object) -> dict[str, Any]:
    """One measurement of :mod:`tests.benchmarks.inner_loop`."""
    words = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "tests.benchmarks.inner_loop", *words]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    """Measure, print, and fail when memory grows with the number of student steps; ``ladder`` is another benchmark."""
    if sys.argv[1:2] == ["ladder"]:
        from .ladder import main as ladder

        return ladder(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--images", type=int, default=90)
    parser.add_argument("--repeats", type=int, default=5)
    options = vars(parser.parse_args())
    print("| student steps | chunk | s / iteration | added MiB | process MiB |\n|---|---|---|---|---|")
    added: dict[tuple[int, int], float] = {}
    for steps, chunk in ((5, 1), (20, 1), (40, 1), (5, 5), (20, 5), (20, 20)):
        result = row(student_steps=steps, chunk=chunk, **options)
        added[steps, chunk] = result["mib"]
        print(f"| {steps} | {chunk} | {result['seconds']} | {result['mib']} | {result['process_mib']} |", flush=True)
    growth = added[40, 1] / added[5, 1]
    print(f"{result['device']}: chunk=1, 40 steps against 5: {growth:.2f} times the added memory (limit {MOST_GROWTH})")
    return int(growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
