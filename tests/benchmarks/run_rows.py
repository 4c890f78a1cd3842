"""The rows of RESULTS.md that run folders hold, by the kind of table; ``record`` writes them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import shlex
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from monai_distill.export.report.records import RunRecords
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
SETTINGS = ("data", "method", "settings", "images a class: stored", "effective", "validation, balanced", "networks")
SETTINGS += ("accuracy", "balanced", "s", "MiB")
NO_SETTINGS = {"dataset", "dataset_dir", "dataset_file", "dataset_name", "method", "images_per_class", "factor", "seed"}


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


def setting_rows(runs: Sequence[Path]) -> list[list[Any]]:
    """Runs that differ in settings: those that not all runs of the data have, the last validation, the scores."""
    given = [_given(run) for run in runs]
    rows = []
    for run, of in zip(runs, given, strict=True):
        others = [other for other in given if other.get("dataset_file") == of.get("dataset_file")]
        same = {name for name, value in of.items() if all(other.get(name) == value for other in others)}
        scores, history = (json.loads((run / name).read_text()) for name in ("scores.json", "history.json"))
        records, distilled = RunRecords.read(run), distilled_scores(run)
        own = " ".join(f"--{name} {value}" for name, value in of.items() if name not in same | NO_SETTINGS)
        sizes = [records.images_per_class, records.effective_per_class, history["validations"][-1]["balanced_accuracy"]]
        cost = scores["cost"]
        spent = [round(sum(cost["seconds"].values())), round(cost["peak_memory_mib"])]
        shown = [len(distilled["accuracy"]["values"]), *figures({"distilled": distilled}, ["distilled"]), *spent]
        rows.append([data_name(run), f"`{scores['method']}`", f"`{own}`" if own else "", *sizes, *shown])
    return rows


def _given(run: Path) -> dict[str, str]:
    """The settings in the command of a run; of one that is given twice the last."""
    words = shlex.split(command_of(run))[2:]
    named: dict[str, str] = {}
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            named[word[2:]] = "" if value.startswith("--") else value
    return named


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
    "settings": (SETTINGS, setting_rows),
}


def command_of(run: Path) -> str:
    """The command that made a run or its comparison, without its folders."""
    logs = [file.read_text() for file in (run / "run.log", run.parents[1] / "run.log") if file.exists()]
    lines = [found[1] for log in logs if (found := re.search(r"^\$ (monai-distill (?:run|compare) .*)$", log, re.M))]
    if not lines:
        raise ValueError(f"Expected the command in {run / 'run.log'}, got none. Give folders of `run` or `compare`.")
    return re.sub(r" --(output_dir|\w+_root|cache_dir) \S+", "", re.sub(r"(--dataset_dir) \S+", r"\1 DIR", lines[0]))
