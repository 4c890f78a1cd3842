"""Memory and time of an outer iteration by student steps and what is held at once; fails when memory grows."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse

from tests.benchmarks.comparison import Row, measure
from tests.benchmarks.subject import arguments

MOST_GROWTH = 1.3  # peak memory at 40 student steps against 5, with chunk=1
HELD = ((5, 1, None), (20, 1, None), (40, 1, None), (20, 1, 10), (5, 5, None), (20, 5, None), (20, 20, None))


def main(words: list[str]) -> int:
    """Measure every row in a process of its own, one process at a time; 1 when memory grows with the student steps."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[arguments()], conflict_handler="resolve")
    parser.add_argument("--repeats", type=int, default=5)
    options = vars(parser.parse_args(words))
    repeats = options.pop("repeats")
    print("| student steps | chunk | images at once | s / iteration | CPU s | added MiB | process MiB |")
    print("|---|---|---|---|---|---|---|")
    added: dict[tuple[int, int, int | None], float] = {}
    for steps, chunk, images in HELD:
        held = {"student_steps": steps, "chunk": chunk, "images_at_once": images}
        row = Row("growth", "distillation", {**options, **held})
        measure([row], repeats)
        added[steps, chunk, images] = row.report["added_mib"]
        memory = f"{row.report['added_mib']:.0f} | {row.report['mib']:.0f}"
        print(
            f"| {steps} | {chunk} | {images or 'all'} | {row.median:.3f} | {row.cpu_median:.3f} | {memory} |",
            flush=True,
        )
    growth = added[40, 1, None] / added[5, 1, None]
    print(f"chunk=1, 40 steps against 5: {growth:.2f} times the added memory (limit {MOST_GROWTH})")
    return int(growth > MOST_GROWTH)
