"""The process that test_elsewhere.py starts: commands on two devices, and the distance of their sets.

A process of its own, because PyTorch takes a device for good.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from monai_distill.engines.distillation import Distiller
from tests.benchmarks import ladder, own
from tests.benchmarks.subject import arguments
from tests.benchmarks.test_comparison import TINY
from tests.benchmarks.test_ladder import TINY as SHORT
from tests.cli.test_audit import QUICK, SHADOW
from tests.cli.test_evaluate import ALL
from tests.configs.command import command, read, undrawn_figures
from tests.other_device.device import NAME, Elsewhere, count_graphs_by_length
from tests.other_device.runs import HELD, RUNS
from tests.other_device.waiting import operations_of_a_step, rules, waits_of_loops
from tests.runtime.processes.test_two_processes import furthest
from tests.runtime.processes.two_processes import NO_EXPERTS

INTERRUPTED = ("hoptm", "datm", "dc", "idm", "ncfm")  # each has a state of its own
# given, because calibration takes longer than the run, and on no device
NOISE = ("--noise_multiplier", "2", "--dp_model_row#trainer#settings#noise_multiplier", "2")
STOPPED = 3  # iteration, counted from 1, in which Ctrl-C comes


def both(folder: Path, name: str) -> dict[str, Any]:
    """A run on the CPU and one elsewhere."""
    here, there = folder / "cpu" / name, folder / NAME / name
    plain = command("run", *RUNS[name], "--output_dir", here)
    before = Elsewhere.waits
    other = command("run", *RUNS[name], "--device", NAME, "--output_dir", there)
    result: dict[str, Any] = {"codes": [plain.code, other.code], "said": plain.err[-1500:] + other.err[-1500:]}
    if plain.code == other.code == 0:
        rows = [read(run, "scores.json")["distilled"]["accuracy"]["mean"] for run in (here, there)]
        result |= {"furthest": furthest(here, there), "accuracies": rows, "waits": Elsewhere.waits - before}
    return result


def interrupted(folder: Path, name: str) -> dict[str, Any]:
    """A run that Ctrl-C ends and ``resume`` continues, compared with the one of :func:`both`."""
    plain, seen = Distiller._iteration, []

    def iteration(self: Distiller, engine: Any, batch: Any) -> dict[str, float]:
        seen.append(None)
        if len(seen) == STOPPED:
            raise KeyboardInterrupt
        return plain(self, engine, batch)

    run = folder / NAME / f"interrupted_{name}"
    with mock.patch.object(Distiller, "_iteration", iteration):
        first = command("run", *RUNS[name], "--device", NAME, "--output_dir", run)
    second = command("resume", run)
    result: dict[str, Any] = {"codes": [first.code - 130, second.code], "said": first.err[-1500:] + second.err[-1500:]}
    return {**result, "furthest": furthest(folder / NAME / name, run)} if second.code == 0 else result


def benchmarks(folder: Path) -> dict[str, Any]:
    """Waits for a GPU at tiny size, in the subjects of the comparison and the ladder."""
    options = arguments().parse_args([*TINY, *(f"{a}={b}" for a, b in zip(HELD[::2], HELD[1::2], strict=True))])
    options.device = NAME
    for kind in ("distillation", "experts", "students"):
        for options.segments in (1, 3):
            getattr(own, kind)(options)()
    words = ["--data", "digits", "--device", NAME, "--out", str(folder / "ladder")]
    words += [word for name, value in SHORT.items() for word in (f"--{name}", str(value))]
    return {"codes": [ladder.main(words)], "said": ""}


def alone(folder: Path) -> dict[str, tuple[str | Path, ...]]:
    """Commands without another to be compared with: audits and guarantees sample again, files need no device."""
    run, release = folder / NAME / "mtt", folder / "release"
    guaranteed = ("--device", NAME, "--epsilon", "20", "--delta", "1e-4", "--output_dir")
    return {
        "compare": (
            "compare",
            "--methods",
            "dm,dsa",
            *NO_EXPERTS,
            "--device",
            NAME,
            "--output_dir",
            folder / "compared",
        ),
        "evaluate": ("evaluate", run, *ALL),
        "audit": ("audit", run, *QUICK, *SHADOW, *HELD),
        "export": ("export", run, "--to", release, "--no_claim"),
        "verify": ("verify", release),
        "dp experts": ("run", *RUNS["mtt"], "--dp_epochs", "1", *NOISE, *guaranteed, folder / "dp_experts"),
        "dp sums": ("run", *RUNS["datadam"], "--views", "1", "--dp_model", "false", *guaranteed, folder / "dp_sums"),
    }


def main(folder: Path) -> None:
    """Run every case and write outcome.json."""
    result: dict[str, Any] = {"rules": rules(), "waits": [waits_of_loops(steps) for steps in (3, 24)]}
    result["operations"] = [operations_of_a_step(chunk) for chunk in (1, 6)]
    result |= {name: both(folder, name) for name in RUNS}
    result |= {f"interrupted {name}": interrupted(folder, name) for name in INTERRUPTED}
    for name, words in alone(folder).items():
        outcome = command(*words)
        result[name] = {"codes": [outcome.code], "said": outcome.err[-2500:]}
    result["benchmarks"] = benchmarks(folder)
    (folder / "outcome.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    count_graphs_by_length()
    with undrawn_figures():  # no device draws
        main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # the device's threads outlive Python
