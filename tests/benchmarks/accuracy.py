"""Accuracy of methods on medical data: ``python -m tests.benchmarks accuracy --data_dir DIR --work DIR CELL ...``.

A cell is ``DATA:IMAGES:METHOD:FACTOR[:SEED]``, such as ``blood:10:dm:2``; a range of seeds is ``0-4``. Every cell is a
``monai-distill run`` in a process and a folder of its own, ``--workers`` at a time. Runs of one data set and width
share their controls. Called again, it resumes what was interrupted and skips what is done; ``--seconds`` ends it
earlier. ``python -m tests.benchmarks record`` makes a table of the folders.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.gpu_rows import Rows

SAFE, NO_SIDE = "[crop,cutout,scale,rotate]", "[crop,cutout,flip,scale,rotate]"
DATA = {  # name, file of the data folder, augmentation, depth of the ConvNet
    "blood": ("bloodmnist_own_split", NO_SIDE, 3),
    "pneumonia": ("pneumoniamnist", SAFE, 3),
    "histology": ("nct_crc_crops", NO_SIDE, 3),
    "brain": ("brain_mri4_64", SAFE, 4),
    "breast": ("breastmnist", "[crop,flip,scale,rotate]", 3),
    "busi": ("busi3_224", "[crop,flip,scale,rotate]", 5),
}
COMMON = {"iterations": 1000, "validate_every": 250, "batch_per_class": 64}
COMMON |= {"validation_students": 3, "students": 5, "full_students": 3, "shared_controls": "null"}


def cells_of(word: str) -> list[str]:
    """A cell for every seed that the word names."""
    *cell, seeds = word.split(":") if word.count(":") == 4 else [*word.split(":"), "0"]
    if len(cell) != 4 or cell[0] not in DATA:
        raise ValueError(f"Expected DATA:IMAGES:METHOD:FACTOR[:SEED] with DATA of {list(DATA)}, got {word}.")
    first, _, last = seeds.partition("-")
    return [":".join([*cell, str(seed)]) for seed in range(int(first), int(last or first) + 1)]


def command_of(cell: str, options: argparse.Namespace) -> tuple[list[str], Path]:
    """The command of a cell, and its run folder; a folder that was begun is resumed."""
    data, images, method, factor, seed = cell.split(":")
    name, operations, depth = DATA[data]
    folder = options.work / f"{cell.replace(':', '_')}_w{options.width}"
    if (folder / "config.json").exists():
        return ["resume", str(folder)], folder
    settings = {
        **COMMON, "dataset_name": name, "depth": depth, "width": options.width, "operations": operations,
        "controls_root": options.work / f"controls_{data}_w{options.width}",
    }  # fmt: skip
    given = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    words = ["--dataset", "npz", "--dataset_dir", str(options.data_dir), "--dataset_file", f"{name}.npz"]
    words += ["--method", method, "--images_per_class", images, "--factor", factor, "--seed", seed]
    words += ["--device", options.device, "--output_dir", str(folder), "--preset_of", "published", "--no_plan"]
    return ["run", *words, *given, *options.more], folder


def run_cell(cell: str, options: argparse.Namespace, rows: Rows) -> bool:
    """Run a cell unless it is done; whether it is done now."""
    words, folder = command_of(cell, options)
    left, since = options.ends - time.monotonic(), time.monotonic()
    if rows.has(cell) or left < 1:
        return rows.has(cell)
    if not (folder / "scores.json").exists():
        command = [sys.executable, "-m", "monai_distill", *words]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        try:
            said = process.communicate(timeout=left)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            print(f"{cell}: stopped after {time.monotonic() - since:.0f} s", flush=True)
            return False
        if process.returncode:
            rows.add(cell, error=said.decode(errors="replace")[-800:])
            return False
    scores = json.loads((folder / "scores.json").read_text())
    tables = {**scores, **scores.get("controls", {})}
    found = {
        kind: [table[metric][what] for metric in ("accuracy", "balanced_accuracy") for what in ("mean", "std")]
        for kind, table in tables.items()
        if isinstance(table, dict) and isinstance(table.get("balanced_accuracy"), dict)
    }
    rows.add(cell, seconds=time.monotonic() - since, **found)
    return True


def main(words: list[str]) -> int:
    """Run the cells in turn; 1 when one is missing at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="+")
    parser.add_argument("--data_dir", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e6, help="no longer than this")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="settings of every run, given last")
    options = parser.parse_args(words)
    options.ends = time.monotonic() + options.seconds
    options.work.mkdir(parents=True, exist_ok=True)
    rows = Rows(options.work / "rows.jsonl", f"width {options.width}")
    cells = [cell for word in options.cells for cell in cells_of(word)]
    with ThreadPoolExecutor(options.workers) as pool:
        done = list(pool.map(lambda cell: run_cell(cell, options, rows), cells))
    return int(not all(done))
