"""Networks by DP-SGD to compare sets with a guarantee with: ``python -m tests.benchmarks dp_networks DATA:EPSILON``.

The rule for the learning rate: for every data set, the one of ``--lrs`` whose network at epsilon 3 has the best
balanced accuracy on validation; it serves every epsilon. No budget is charged for the choice, which favors the
network. Then ``--networks`` networks of one epsilon are trained, each on the whole budget, and scored on test. The
rest are the settings of ``configs/families/dp.yaml``. A second call continues.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_distill.configuration.composition import run_settings
from monai_distill.runtime.literals import literal_settings

from .gpu_rows import Rows, read_rows
from .results import commit

RULE_EPSILON = 3.0
METRICS = ("accuracy", "balanced_accuracy")


def configuration(data: str, folder: str, options: argparse.Namespace, **settings: Any) -> ConfigParser:
    """The run whose DP-SGD network is wanted; nothing of it has been made."""
    known = data == "mnist"
    values = {"dataset_dir": str(options.data_dir), "delta": 1e-5, "width": options.width, "device": "cpu", **settings}
    if not known:
        values |= {"dataset_file": f"{data}.npz", "dataset_name": data}
    preset = next(name for name in ("mnist", "pneumoniamnist", "bloodmnist") if data.startswith(name))
    files, values = run_settings("mnist" if known else "npz", "convnet", "dm", values, preset)
    parser = ConfigParser()
    parser.read_config([str(file) for file in files.all])
    parser.update(literal_settings({**values, "output_dir": folder}))
    return parser


def trained(parser: ConfigParser, section: str) -> list[float]:
    """Accuracy and balanced accuracy on a section of one network that is trained now."""
    row = parser.get_parsed_content("dp_model_row")
    row.trainer.run()
    score = parser.get_parsed_content("dp_model_row#score") if section == "test" else _on_validation(parser)
    scores = score(row.trainer.store.snapshot(0, -1)[None])
    return [scores[metric]["mean"] for metric in METRICS]


def _on_validation(parser: ConfigParser) -> Any:
    from monai_distill.configuration.parts import scores_of_parameters

    return scores_of_parameters(parser.get_parsed_content("network"), parser.get_parsed_content("validate#bank"))


def main(words: list[str]) -> int:
    """Choose the learning rates that the cells need, train and score their networks, one row each."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks dp_networks", description=__doc__)
    parser.add_argument("cells", nargs="+", metavar="DATA:EPSILON")
    parser.add_argument("--data_dir", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=Path, default=Path("dp_networks.jsonl"))
    parser.add_argument("--lrs", type=float, nargs="+", default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args(words)
    rows = Rows(options.rows, f"DP-SGD, width {options.width}")

    def measure(name: str, data: str, section: str, **settings: Any) -> None:
        if not rows.has(name):
            start = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                values = trained(configuration(data, folder, options, **settings), section)
            rows.add(name, scores=values, cpu_seconds=time.process_time() - start, commit=commit())

    for cell in options.cells:
        data, epsilon = cell.split(":")
        candidates = {lr: f"{data} lr {lr:g} on validation" for lr in options.lrs}
        for lr, name in candidates.items():
            measure(name, data, "validation", epsilon=RULE_EPSILON, dp_lr=lr, seed=100)
        known = {row["row"]: row for row in read_rows(options.rows)}
        best = max(options.lrs, key=lambda lr: known[candidates[lr]]["scores"][1])
        for seed in range(options.networks):
            measure(f"{cell} lr {best:g} seed {seed}", data, "test", epsilon=float(epsilon), dp_lr=best, seed=seed)
    return 0
