"""Test scores of the sets of runs alone, without controls: ``python -m tests.benchmarks set_scores RUN [RUN ...]``.

A run of ten images a class, four in a canvas, spends most of its time on controls. With ``--students 1
--evaluation_steps 1`` it takes one step for each of them; this command then scores its set by the run's protocol with
``--steps`` and writes ``set_scores.json`` into its folder, which ``python -m tests.benchmarks record`` reads.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_distill.data import SyntheticDataset
from monai_distill.engines.students import score_students, student_seeds
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.memory import disable_malloc_trim

FILE = "set_scores.json"
METRICS = ("accuracy", "balanced_accuracy")


def scored(run: Path, students: int, steps: int) -> dict[str, Any]:
    """Scores of fresh networks of the run's protocol, trained on its set for ``steps`` steps."""
    parser = ConfigParser()
    parser.read_config(str(run / "config.json"))
    parser.update({"evaluation_steps": steps})
    data, network, protocol = map(parser.get_parsed_content, ("data", "scored_network", "scorecard#protocol"))
    seeds = student_seeds(int(parser["seed"]), students=students)
    row: Any = score_students(SyntheticDataset.load(run), network, protocol, data.test, seeds)
    return {**{metric: row[metric] for metric in METRICS}, "steps": steps}


def distilled_scores(run: Path) -> dict[str, Any]:
    """The scores of a run's set: those of this command, else the run's own."""
    file = run / FILE
    found: dict[str, Any] = json.loads((file if file.exists() else run / "scores.json").read_text())
    return found if file.exists() else found["distilled"]


def main(words: list[str]) -> int:
    """Score the sets that have no scores yet."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks set_scores", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--students", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args(words)
    disable_malloc_trim()  # as the command does
    for run in options.runs:
        if not (run / FILE).exists():
            atomic_write(run / FILE, json.dumps(scored(run, options.students, options.steps)).encode())
        found = distilled_scores(run)
        print(run, *(f"{metric} {found[metric]['mean']:.3f} ± {found[metric]['std']:.3f}" for metric in METRICS))
    return 0
