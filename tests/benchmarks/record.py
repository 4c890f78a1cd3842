"""Write a table of RESULTS.md from the files that runs left: ``python -m tests.benchmarks record NAME RUN [RUN ...]``.

A row for every run and every control, with the images that are stored and those that a network sees, accuracy and
balanced accuracy, seconds and memory. A control that several runs of one data set and size share stands once. A folder
of the GPU benchmark gives the table of its parts, or with ``--parts`` the rows of these. With ``--kind plans`` a row
holds what the plan of a run forecast and gave up, and what the run took; with ``--kind guarantees`` its epsilon; with
``--kind seeds`` the mean and the deviation over runs that differ only in their seed; with ``--kind settings`` the
settings in which the runs differ. Then set the two markers in RESULTS.md, and ``python -m tests.benchmarks results``
writes the table between them.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.gpu_rows import read_rows
from tests.benchmarks.results import commit, hardware, write_record
from tests.benchmarks.run_rows import KINDS, command_of
from tests.benchmarks.set_scores import FILE as SET_SCORES
from tests.benchmarks.set_scores import distilled_scores


def scoring_commands(runs: Sequence[Path]) -> list[str]:
    """The commands that scored the sets of runs without controls."""
    found = [distilled_scores(run) for run in runs if (run / SET_SCORES).exists()]
    words = {f"--students {len(row['accuracy']['values'])} --steps {row['steps']}" for row in found}
    return [f"python -m tests.benchmarks set_scores RUN {settings}" for settings in sorted(words)]


def parts_record(folder: Path) -> dict[str, Any]:
    """The table of a call of the GPU benchmark: every part with its time and its limit."""
    content = json.loads((folder / "gpu.json").read_text())
    rows = [
        [name, part.get("limit"), part["seconds"], part["ended"], sum(row["part"] == name for row in content["rows"])]
        for name, part in content["parts"].items()
    ]
    columns = ["part", "limit, s", "wall time, s", "ended", "rows"]
    about = {"columns": columns, "rows": rows, "format": dict.fromkeys(columns[1:3], ".0f")}
    return {**about, **_source(content, content["words"])}


def rows_record(folder: Path, parts: list[str]) -> dict[str, Any]:
    """The table of the rows of some parts of the GPU benchmark, which are timings or differences from the CPU."""
    content = json.loads((folder / "gpu.json").read_text())
    found = [row for row in read_rows(folder / "rows.jsonl") if row["part"] in parts and "error" not in row]
    if any("per_second" in row for row in found):
        keys = {"per second": "per_second", "times the official speed": "times_official", "MiB": "mib"}
        keys |= {"times the official memory": "memory_to_official", "repeats": "repeats"}
        form = {
            "per second": ".2f",
            "times the official speed": ".2f",
            "MiB": ".0f",
            "times the official memory": ".2f",
        }
    else:
        keys = {"difference from the CPU": "difference", "at most": "target"}
        form = dict.fromkeys(keys, ".1e")
        found = [{**row, "difference": row.get("furthest", row.get("relative_to_cpu"))} for row in found]
    rows = [[row["part"], row["row"], *(row.get(key) for key in keys.values())] for row in found]
    return {"columns": ["part", "row", *keys], "rows": rows, "format": form, **_source(content, content["words"])}


def _source(content: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """The command without its folders, the commit, the card and the versions of a call of the GPU benchmark."""
    machine, hidden = content["machine"], {"--data_dir", "--reference", "--out", "--work"}
    pairs = zip(("", *words), words, strict=False)
    words = [word for before, word in pairs if before not in hidden and word not in hidden]
    hardware = f"{machine['device']}, torch {machine['torch']}, Python {machine['python']}"
    return {
        "command": " ".join(["python -m tests.benchmarks gpu", *words]), "commit": machine["commit"][:7],
        "hardware": f"{hardware}, {machine['processors']} processors", "seeds": "0",
    }  # fmt: skip


def main(words: list[str]) -> int:
    """Read the runs and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="of the file, without .json")
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, or one of the GPU benchmark")
    parser.add_argument("--parts", nargs="+", default=[], help="the rows of these parts of the GPU benchmark")
    parser.add_argument("--kind", choices=KINDS, default="scores", help="what the rows of runs hold")
    parser.add_argument("--commit", default=None, help="that the runs measured; default: the current one")
    parser.add_argument("--at_once", type=int, default=1, help="runs that shared a GPU")
    options = parser.parse_args(words)
    folder = options.runs[0]
    if (folder / "gpu.json").exists():
        made = rows_record(folder, options.parts) if options.parts else parts_record(folder)
        print(write_record(options.name, made))
        return 0
    columns, rows_of = KINDS[options.kind]
    commands = {command_of(run) for run in options.runs}
    if options.kind == "seeds":
        commands = {re.sub(r"--seed \d+", "--seed SEED", command) for command in commands}
    seeds = [json.loads((run / "scores.json").read_text())["seeds"]["run"] for run in options.runs]
    costs = [json.loads((run / "scores.json").read_text())["cost"] for run in options.runs]
    cards = {cost["memory_of"] for cost in costs} - {"process"}
    on_cards = f"{', '.join(sorted(cards))}, {options.at_once} runs at once"
    record = {
        "columns": list(columns),
        "rows": rows_of(options.runs),
        "command": [*sorted(commands), *scoring_commands(options.runs)],
        "commit": options.commit or commit(),
        "hardware": on_cards if cards else hardware(max(cost["threads"] for cost in costs)),
        "seeds": ", ".join(str(seed) for seed in sorted(set(seeds))),
    }
    print(write_record(options.name, record))
    return 0
