"""``python -m tests.benchmarks NAME``, with a name of ``BENCHMARKS``: what to measure; each has ``--help``."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import sys

BENCHMARKS = (
    "table",
    "growth",
    "gpu",
    "pack",
    "results",
    "record",
    "accuracy",
    "batch_norms",
    "stacking",
    "originals",
    "trajectory_pairs",
    "ladder",
    "set_scores",
    "shapes",
    "decoding",
    "first_iteration",
    "mapped",
    "epsilon",
    "groups",
    "dp_networks",
    "supervised_trainer",
)


def main() -> int:
    """Run the benchmark named first, else the table."""
    name, *words = sys.argv[1:] if sys.argv[1:2] and sys.argv[1] in BENCHMARKS else ["table", *sys.argv[1:]]
    return int(importlib.import_module(f".{name}", __package__).main(words))


if __name__ == "__main__":
    sys.exit(main())
