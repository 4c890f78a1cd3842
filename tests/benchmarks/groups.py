"""A small group of images with and without ``--group_column``: ``python -m tests.benchmarks groups CELL ...``.

The table has two sites: ``usual``, and ``inverted``, whose files store the negative of every image, as X-rays of
another photometric interpretation do. The second holds ``--share`` of the training and validation images of every
class, and half of the test images, so that both scores are equally certain. A cell is ``METHOD:SEED``; it is run
without and with ``--group_column site``, in a process each. A second call continues.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from .results import commit, hardware, rendered, write_record

SITES = ("usual", "inverted")
SECTIONS = {"train": "training", "val": "validation", "test": "test"}
TARGETS = {"off": [], "on": ["--group_column", "site"]}
METRIC = "balanced_accuracy"
Labels = npt.NDArray[np.int64]


def inverted_rows(labels: Labels, share: float) -> npt.NDArray[np.bool_]:
    """Which images belong to the second site: every (1 / share)-th of each class.

    Example:
        >>> inverted_rows(np.array([0, 0, 1, 1]), 0.5).tolist()
        [True, False, True, False]
    """
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        chosen[rows[:: round(1 / share)]] = True
    return chosen


def write_table(source: Path, folder: Path, share: float, at_most: int) -> None:
    """Write gray images of a MedMNIST file as PNG and a table with the columns image, label, split and site.

    Args:
        source: the file.
        folder: where to write.
        share: of the second site in training and validation.
        at_most: images of a section; they are random ones.
    """
    arrays = np.load(source)
    lines = []
    for short, section in SECTIONS.items():
        (folder / section).mkdir(parents=True, exist_ok=True)
        rows = np.random.default_rng(0).permutation(len(arrays[f"{short}_labels"]))[:at_most]
        images, labels = arrays[f"{short}_images"][rows], arrays[f"{short}_labels"].reshape(-1)[rows]
        second = inverted_rows(labels, 0.5 if section == "test" else share)
        for number, (image, label, negative) in enumerate(zip(images, labels, second, strict=True)):
            name = f"{section}/{number}.png"
            Image.fromarray(255 - image if negative else image).save(folder / name)
            lines.append([name, f"class {label}", section, SITES[int(negative)]])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "label", "split", "site"], *lines])


def run(cell: str, target: str, options: argparse.Namespace) -> dict[str, Any]:
    """The group scores of a cell by row and site; run unless its folder holds them."""
    method, seed = cell.split(":")
    folder = options.work / f"{method}_{seed}_{target}"
    if not (folder / "scores.json").exists():
        words = ["--dataset", "table", "--dataset_dir", str(options.work / "table"), "--image_size", "[28,28]"]
        words += ["--group_columns", "['site']", "--images_per_class", str(options.images_per_class), "--seed", seed]
        words += ["--controls_root", str(options.work / "controls"), "--output_dir", str(folder), "--method", method]
        words += ["--preset_of", "mnist", "--no_plan", *options.more, *TARGETS[target]]
        command = ["resume", str(folder)] if (folder / "state.pt").exists() else ["run", *words]
        subprocess.run([sys.executable, "-m", "monai_distill", *command], check=True)
    scores: dict[str, Any] = json.loads((folder / "scores.json").read_text())["groups"]["site"]
    return scores


def mean_and_deviation(values: Sequence[float]) -> list[float | None]:
    """Mean and deviation over seeds."""
    return [float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None]


def table(scores: dict[tuple[str, str], list[dict[str, Any]]]) -> list[list[Any]]:
    """A row per method and target: each site's score and the gap, as mean and deviation over the seeds."""
    rows = []
    for (method, target), runs in scores.items():
        name = {"off": method, "on": f"{method} `--group_column site`"}.get(target, f"{target}, as {method}")
        kind = target if target not in TARGETS else "distilled"
        means = np.array([[scored[kind][site][METRIC]["mean"] for site in SITES] for scored in runs])
        columns = [means[:, 0], means[:, 1], np.abs(means[:, 0] - means[:, 1])]
        rows.append([name, *(mean_and_deviation(column.tolist()) for column in columns)])
    return rows


def main(words: list[str]) -> int:
    """Write the table once, run every cell without and with equal groups, and print what they score."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks groups", description=__doc__)
    parser.add_argument("cells", nargs="+")
    parser.add_argument("--source", type=Path, default=Path("../shared/data/pneumoniamnist.npz"))
    parser.add_argument("--work", type=Path, default=Path("runs/groups"))
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--at_most", type=int, default=10**6, help="images of a section")
    parser.add_argument("--images_per_class", type=int, default=10)
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="settings of every run, given last")
    options = parser.parse_args(words)
    if not (options.work / "table" / "table.csv").exists():
        write_table(options.source, options.work / "table", options.share, options.at_most)
    scores: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in options.cells:
        for target in TARGETS:
            found = run(cell, target, options)
            scores.setdefault((cell.split(":")[0], target), []).append(found)
            for control in ("random", "full") if target == "off" else ():
                scores.setdefault((cell.split(":")[0], control), []).append(found)
    record = {
        "columns": ["set", "usual site", "inverted site", "gap"],
        "rows": table(scores),
        "command": f"python -m tests.benchmarks groups {' '.join(words)}",
        "commit": commit(),
        "hardware": hardware(1),
        "seeds": ", ".join(sorted({cell.split(":")[1] for cell in options.cells})),
    }
    write_record("groups", record)
    print(rendered(record))
    return 0
