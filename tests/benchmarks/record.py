"""Write a table of RESULTS.md from the files that runs left: ``python -m tests.benchmarks record NAME RUN [RUN ...]``.

A row for every run and every control, with the images that are stored and those that a network sees, accuracy and
balanced accuracy, seconds and memory. A control that several runs of one data set and size share stands once. A folder
of the GPU benchmark gives the table of its parts, or with ``--parts`` the rows of these. With ``--kind plans`` a row
holds what the plan of a run forecast and gave up, and what the run took; with ``--kind guarantees`` its epsilon; with
``--kind seeds`` the mean and the deviation over runs that differ only in their seed. Then set the two markers in
RESULTS.md and run ``python -m tests.benchmarks results``.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from monai_distill.export.report.records import RunRecords
from tests.benchmarks.gpu_rows import read_rows
from tests.benchmarks.results import commit, hardware, write_record
from tests.benchmarks.set_scores import FILE as SET_SCORES
from tests.benchmarks.set_scores import distilled_scores

COLUMNS = ("data", "trained on", "images a class: stored", "effective", "accuracy", "balanced", "networks", "s", "MiB")
NAMES = {"random": "random real", "full": "all training images", "packed": "packed, not distilled"}
NAMES |= {"random_effective": "random real, as many as are seen"}
ABOUT = {"prior"}  # scores without networks
PLANNED = ("data", "images a class: stored", "effective", "width", "iterations", "forecast, CPU s", "took, CPU s")
PLANNED += ("distilled", "balanced", "random real", "its balanced", "all training images", "given up")
GUARANTEED = ("data", "method", "epsilon", "images a class: stored", "effective", "images start from", "networks")
GUARANTEED += ("distilled", "balanced", "random real", "its balanced")
SEEDS = ("data", "method", "images a class: stored", "effective", "run seeds", "networks a seed")
SEEDS += ("accuracy, over the seeds", "balanced", "lowest seed", "highest")


def run_rows(run: Path) -> list[list[Any]]:
    """The row of a run, and those of its controls."""
    scores, records = json.loads((run / "scores.json").read_text()), RunRecords.read(run)
    stored, effective = records.images_per_class, records.effective_per_class
    rows = []
    for kind, found in {**scores, **scores.get("controls", {})}.items():
        if not isinstance(found, dict) or not isinstance(found.get("accuracy"), dict) or kind in ABOUT:
            continue
        distilled = kind == "distilled"
        name = f"`{scores['method']}`" if distilled else NAMES.get(kind, kind.replace("_", " "))
        figures = [[found[what]["mean"], found[what]["std"]] for what in ("accuracy", "balanced_accuracy")]
        sizes = {"full": [None, None], "random_effective": [effective, effective]}
        size = sizes.get(kind, [stored, effective if distilled or kind == "packed" else stored])
        cost = scores["cost"] if distilled else None
        spent = [round(sum(cost["seconds"].values())), round(cost["peak_memory_mib"])] if cost else [None, None]
        rows.append([scores["dataset"], name, *size, *figures, len(found["accuracy"]["values"]), *spent])
    return rows


def data_name(run: Path) -> str:
    """The data set of a run, or the file that holds it."""
    config = json.loads((run / "config.json").read_text())
    return Path(config.get("dataset_file") or json.loads((run / "scores.json").read_text())["dataset"]).stem


def figures(scores: dict[str, Any], kinds: Sequence[str]) -> list[list[Any]]:
    """Accuracy and balanced accuracy of the rows of a score table, each with its deviation."""
    found = [scores[kind][metric] for kind in kinds for metric in ("accuracy", "balanced_accuracy")]
    return [[of["mean"], of["std"]] for of in found]


def guarantee_rows(run: Path) -> list[list[Any]]:
    """The claim of a run with a guarantee, and its scores."""
    scores, config = (json.loads((run / name).read_text()) for name in ("scores.json", "config.json"))
    records = RunRecords.read(run)
    method = scores["settings"]["method"]
    start = "prototypes" if config["prototype_share"] else "noise"
    distilled = distilled_scores(run)
    sizes = [records.images_per_class, records.effective_per_class, start, len(distilled["accuracy"]["values"])]
    claim = [data_name(run), f"`{scores['method']}`", f"{method['epsilon']:g}"]
    random = [None, None] if (run / SET_SCORES).exists() else figures(scores, ["random"])
    return [[*claim, *sizes, *figures({"distilled": distilled}, ["distilled"]), *random]]


def plan_rows(run: Path) -> list[list[Any]]:
    """Forecast and actual CPU seconds of a run that a plan shaped, and its scores."""
    plan, scores = (json.loads((run / name).read_text()) for name in ("plan.json", "scores.json"))
    records = RunRecords.read(run)
    sizes = [records.images_per_class, records.effective_per_class, scores["network"]["width"]]
    parts = [of["cpu_seconds"].items() for of in (plan["forecast"], scores["cost"])]
    seconds = [round(sum(value for part, value in of if part != "start")) for of in parts]
    full = scores.get("full", {}).get("accuracy", {}).get("mean")
    lost = "; ".join(plan["given_up"]) or "nothing"
    shown = figures(scores, ("distilled", "random"))
    minutes = "".join(re.findall(r" --minutes \S+", command_of(run)))
    return [[data_name(run) + minutes, *sizes, scores["settings"]["iterations"], *seconds, *shown, full, lost]]


def seed_rows(runs: Sequence[Path]) -> list[list[Any]]:
    """Mean and deviation, over run seeds, of the mean scores of every set that several runs made."""
    found: dict[tuple[Any, ...], list[tuple[float, float]]] = defaultdict(list)
    for run in runs:
        scores, records = json.loads((run / "scores.json").read_text()), RunRecords.read(run)
        distilled = distilled_scores(run)
        sizes = (records.images_per_class, records.effective_per_class, len(distilled["accuracy"]["values"]))
        means = (distilled["accuracy"]["mean"], distilled["balanced_accuracy"]["mean"])
        found[(data_name(run), f"`{scores['method']}`", *sizes)].append(means)
    rows = []
    for (*about, networks), means in found.items():
        each = list(zip(*means, strict=True))
        spread = [[statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None] for values in each]
        rows.append([*about, len(means), networks, *spread, min(each[0]), max(each[0])])
    return rows


def _by_run(rows_of: Callable[[Path], list[list[Any]]], runs: Sequence[Path]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for run in runs:
        rows += [row for row in rows_of(run) if row not in rows]
    return rows


KINDS: dict[str, tuple[tuple[str, ...], Callable[[Sequence[Path]], list[list[Any]]]]] = {
    "scores": (COLUMNS, partial(_by_run, run_rows)),
    "plans": (PLANNED, partial(_by_run, plan_rows)),
    "guarantees": (GUARANTEED, partial(_by_run, guarantee_rows)),
    "seeds": (SEEDS, seed_rows),
}


def command_of(run: Path) -> str:
    """The command that made a run or its comparison, without its folders."""
    logs = [file.read_text() for file in (run / "run.log", run.parents[1] / "run.log") if file.exists()]
    lines = [found[1] for log in logs if (found := re.search(r"^\$ (monai-distill (?:run|compare) .*)$", log, re.M))]
    if not lines:
        raise ValueError(f"Expected the command in {run / 'run.log'}, got none. Give folders of `run` or `compare`.")
    return re.sub(r" --(output_dir|\w+_root|cache_dir) \S+", "", re.sub(r"(--dataset_dir) \S+", r"\1 DIR", lines[0]))


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
