"""DC, DSA and DM next to their official program: ``python -m tests.benchmarks originals --condensation DIR``.

Time and memory of an image step, processes in turn, on random images or, with ``--data``, on those; and then test
accuracy of the sets that both make from the same initial images, by one evaluator, for every seed. Writes
``results/originals.json``, or the file of another ``--name``; with ``--add`` the rows join those of an earlier call.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import importlib
import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import torch

from monai_distill.engines.students import StudentEvaluator, StudentTraining, student_seeds
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.transforms import SiameseAugment
from tests.benchmarks import results
from tests.benchmarks.comparison import Row, measure, ratios
from tests.benchmarks.matching_data import banks, strategy
from tests.benchmarks.subject import arguments, options_of

COLUMNS = ["method", "images a class", "data", "time, ours to the original", "CPU time", "memory", "accuracy, ours",
           "original", "difference of pairs"]  # fmt: skip


def cost(settings: dict[str, Any], repeats: int) -> list[Any]:
    """The row of a method's cost: medians of paired ratios."""
    rows = [Row(kind, kind, settings) for kind in ("matching", "official matching")]
    measure(rows, repeats)
    size = f"3x{settings['side']}x{settings['side']}"
    data = f"{size}, random" if settings["data"] is None else f"{size}, {Path(settings['data']).stem}"
    return [f"`{settings['method']}`", settings["ipc"], data, *ratios(*rows), None, None, None]


def accuracies(settings: dict[str, Any], iterations: int, seeds: int, steps: int) -> tuple[str, list[Any]]:
    """A name, and mean and deviation over seeds of both sides' accuracies and of the paired differences."""
    options = options_of(settings)
    training, test = banks(Path(options.data))
    factory = partial(
        ConvNet, 2, training.images.shape[1], options.classes, options.side, width=options.width, depth=options.depth
    )
    network, found = FlatNetwork(factory), {"own": [], "official": []}  # type: dict[str, list[float]]
    for seed in range(seeds):
        for side, values in found.items():
            options.seed = seed
            torch.manual_seed(seed)
            work = importlib.import_module(f"tests.benchmarks.{side}_matching").matching(options)
            for _ in range(iterations):
                work()
            targets = torch.arange(options.classes).repeat_interleave(options.ipc)
            current = partial(_set, work.images.detach(), targets)
            protocol = StudentTraining(SiameseAugment(strategy(options).split("_")), steps=steps)
            evaluator = StudentEvaluator(current, network, protocol, test, seeds=student_seeds(seed, students=3))
            evaluator.run()
            values.append(statistics.fmean(evaluator.scores()["accuracy"]["values"]))
            print(f"{options.method} {options.data} seed {seed} {side}: {values[-1]:.4f}", flush=True)
    pairs = [a - b for a, b in zip(*found.values(), strict=True)]
    figures = [[statistics.fmean(v), statistics.stdev(v) if len(v) > 1 else None] for v in (*found.values(), pairs)]
    name = f"{Path(options.data).stem}, {iterations} image steps, {seeds} seeds"
    return name, figures


def _set(images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    return images, targets, 0.01


def main(words: list[str]) -> int:
    """Measure and write; 1 when a method is slower than its original."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[arguments()], conflict_handler="resolve")
    parser.add_argument("--methods", nargs="+", default=["dm", "dsa", "dc"])
    parser.add_argument("--repeats", type=int, default=5, help="of the times; 0 for none")
    parser.add_argument("--iterations", type=int, default=100, help="image steps before the sets are scored")
    parser.add_argument("--seeds", type=int, default=3, help="of the accuracies; 0 for none")
    parser.add_argument("--steps", type=int, default=300, help="SGD steps of a student")
    parser.add_argument("--add", action="store_true", help="to the rows of an earlier call")
    parser.add_argument("--name", default="originals", help="of the record")
    parser.set_defaults(ipc=1, width=32, threads=1, real_images=4000)
    options = vars(parser.parse_args(words))
    names = ("methods", "repeats", "iterations", "seeds", "steps", "add", "name")
    methods, repeats, iterations, seeds, steps, add, name = (options.pop(name) for name in names)
    torch.set_num_threads(options["threads"])
    file = results.FOLDER / f"{name}.json"
    earlier = json.loads(file.read_text()) if add and file.exists() else {"rows": [], "command": []}
    rows: list[list[Any]] = []
    for method in methods:
        settings = {**options, "method": method}
        row = cost(settings, repeats) if repeats else [f"`{method}`", options["ipc"], None, None, None, None, None]
        if options["data"] is not None and seeds:
            row[2], row[6:] = accuracies(settings, iterations, seeds, steps)
        print(row, flush=True)
        rows.append(row)
        command = " ".join(["python -m tests.benchmarks originals", *_without_folders(words)])
        record = {
            "columns": COLUMNS, "rows": earlier["rows"] + rows, "command": [*earlier["command"], command],
            "format": dict.fromkeys(COLUMNS[3:6], ".2f"), "commit": results.commit(),
            "hardware": results.hardware(options["threads"]), "seeds": "0 and following; interleaved",
        }  # fmt: skip
        results.write_record(name, record)
    return int(any(row[3] is not None and row[3] > 1 for row in rows))


def _without_folders(words: list[str]) -> list[str]:
    shown, hidden = [], {"--condensation": "DIR"}
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        shown.append(hidden.get(before, Path(word).name if before == "--data" else word))
    return [word for word in shown if word != "--add"]
