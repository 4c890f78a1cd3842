"""The comparison of several methods on one data set, as a table and a picture."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monai_distill.metrics.score_record import Cell, Metric, RunScores, ScoreRow, Summary
from monai_distill.metrics.score_tables import METRIC_TITLES, ROW_TITLES, all_rows, row_title
from monai_distill.runtime.atomic_file import atomic_write

from .protocol_results import compare_protocols
from .tables import markdown_table
from .unequal_students import unequal_students

__all__ = ["compare_methods", "save_comparison"]

COSTS = {"seconds": "time in s", "peak_memory_mib": "peak MiB"}
PANELS: tuple[Metric, ...] = ("accuracy", "balanced_accuracy")
PLANS = "plans"  # in compare.json
Row = tuple[str, Mapping[str, Summary]]  # title; summaries by metric and cost


def compare_methods(
    folder: str | Path,
    methods: Sequence[str],
    run: Callable[[str, Path], None],
    *,
    settings: Mapping[str, Any],
    evaluate: Callable[[Path], None] = lambda folder: None,
) -> str:
    """Run every method that has no scores yet in ``folder/METHOD``, then :func:`save_comparison`.

    A method that fails is named in a warning, and the others are compared; another call continues with it.

    Args:
        folder: made when absent.
        methods: in the order of the rows.
        run: runs (or continues) a method, given its name and its folder.
        settings: the settings of all runs as plain JSON values; stored in ``compare.json``, to which the plans
            of the runs are added.
        evaluate: called with the folder of every finished run, every time; it adds to the run's ``scores.json``.

    Returns:
        The Markdown tables.

    Raises:
        ValueError: if no method is given, or ``folder`` belongs to a run or to a comparison with other settings, or
            holds a run that no comparison began.
        RuntimeError: if ``folder`` cannot be made, or a method failed; then the table of the others is written.
    """
    folder = Path(folder)
    _require_settings(folder, methods, json.loads(json.dumps(dict(settings))))
    failed = []
    for method in methods:
        try:
            if not _file(folder, method).exists():
                run(method, folder / method)
            evaluate(folder / method)
        except (ValueError, TypeError, RuntimeError, OSError) as error:
            while error.__cause__ is not None:  # the first cause says what is wrong
                error = error.__cause__  # type: ignore[assignment]
            warnings.warn(f"{method} failed: {error}", stacklevel=2)
            failed.append(method)
    done = [method for method in methods if _file(folder, method).exists()]
    table = save_comparison(folder, done) if done or not failed else ""
    _store_plans(folder, done)
    if failed:
        others = f" The finished runs are compared in {folder / 'compare.md'}." if table else ""
        raise RuntimeError(f"{', '.join(failed)} did not finish; see the warnings.{others}")
    return table


def _require_settings(folder: Path, methods: Sequence[str], settings: dict[str, Any]) -> None:
    file = folder / "compare.json"
    if (folder / "config.json").exists():
        raise ValueError(
            f"Expected a folder for several runs, got {folder}, the folder of a run. Give another --output_dir."
        )
    content = json.loads(file.read_text()) if file.exists() else {}
    plans = {PLANS: content.pop(PLANS)} if PLANS in content else {}
    begun = [str(folder / method) for method in methods if (folder / method / "config.json").exists()]
    if begun and not content:
        raise ValueError(
            f"Expected runs of this comparison alone, got {', '.join(begun)}, begun without it and perhaps with other "
            "settings. Give another --output_dir."
        )
    stored = content or settings
    names = [name for name in sorted({*stored, *settings}) if stored.get(name) != settings.get(name)]
    if names:
        rows = "; ".join(f"{name}: stored {stored.get(name)!r}, given {settings.get(name)!r}" for name in names)
        raise ValueError(f"{folder} holds a comparison with other settings ({rows}). Give another output_dir.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(
            f"Expected a folder for the comparison, or a new name, got {folder}: {error.strerror}. Give another "
            "--output_dir."
        ) from error
    atomic_write(file, json.dumps({**settings, **plans}, indent=2).encode())


def _store_plans(folder: Path, methods: Sequence[str]) -> None:
    """Add to ``compare.json`` the settings that a plan chose for every run, its reasons and its forecast."""
    files = {method: folder / method / "plan.json" for method in methods}
    plans = {method: json.loads(file.read_text()) for method, file in files.items() if file.is_file()}
    if plans:
        names = ("effort", "minutes", "settings", "given_up", "forecast")
        chosen = {method: {name: plan[name] for name in names} for method, plan in plans.items()}
        file = folder / "compare.json"
        atomic_write(file, json.dumps({**json.loads(file.read_text()), PLANS: chosen}, indent=2).encode())


def save_comparison(folder: str | Path, methods: Sequence[str]) -> str:
    """Write ``compare.md``, ``compare.csv`` and ``compare.png`` from the finished runs ``folder/METHOD``.

    Every control has one row below the methods, taken from the first run that scored it, with the preprocessing and the
    candidate learning rates of that run; sentences say where students were trained in different ways. The time covers
    the whole run with experts and scores; experts that several runs share count in full in each. The tables of
    :func:`compare_protocols` follow.

    Args:
        folder: holds one run folder per method, and receives the files.
        methods: the runs in the order of the rows.

    Returns:
        The Markdown tables.

    Raises:
        ValueError: if no method is given, or the runs differ in data set or number of images per class.
        RuntimeError: if a run has no scores.

    Example:
        >>> import tempfile
        >>> folder, value = Path(tempfile.mkdtemp()), dict.fromkeys(METRIC_TITLES, {"mean": 0.5, "std": 0.1})
        >>> scores = {"dataset": "digits", "images_per_class": 1, "distilled": value, "prior": {"accuracy": 0.1}}
        >>> (folder / "mtt").mkdir()
        >>> _ = (folder / "mtt" / "scores.json").write_text(json.dumps(scores))
        >>> save_comparison(folder, ["mtt"]).splitlines()[-1].split("|")[2].strip()
        '0.100'
    """
    folder = Path(folder)
    runs = {method: _scores(_file(folder, method)) for method in methods}
    if not runs:
        raise ValueError("Expected at least one method with a run, got none. (random is a control, not a method.)")
    first = next(iter(runs.values()))
    expected = (first.get("dataset"), first.get("images_per_class"))
    for method, scores in runs.items():
        given = (scores.get("dataset"), scores.get("images_per_class"))
        if given != expected:
            raise ValueError(
                f"Expected runs of the same data set and images per class, {folder / method} has {given}, another "
                f"{expected}. Give another output_dir."
            )
    rows: list[Row] = [
        (method, {**_summaries(scores["distilled"]), **_cost(scores)}) for method, scores in runs.items()
    ]
    controls = {name: row for scores in [*runs.values()][::-1] for name, row in all_rows(scores).items()}
    names = [name for name in dict.fromkeys((*ROW_TITLES, *controls)) if name not in ("distilled", "dp_sgd")]
    rows += [(row_title(name), _summaries(controls[name])) for name in names if name in controls]
    prior: Summary = {"mean": first["prior"]["accuracy"], "std": None, "interval95": None, "values": []}
    rows.append((ROW_TITLES["prior"], {"accuracy": prior}))
    parts = (_markdown(rows), unequal_students(runs), compare_protocols(folder, runs))
    text = "\n\n".join(part for part in parts if part)
    atomic_write(folder / "compare.md", (text + "\n").encode())
    atomic_write(folder / "compare.csv", _csv(rows).encode())
    _draw(rows, len(runs), f"{expected[0]}, {expected[1]} per class", folder / "compare.png")
    return text


def _file(folder: Path, method: str) -> Path:
    return folder / method / "scores.json"


def _scores(file: Path) -> RunScores:
    if not file.is_file():
        raise RuntimeError(f"Cannot find {file}: that run is not finished. Run or resume it first.")
    scores: RunScores = json.loads(file.read_text())
    return scores


def _summaries(row: ScoreRow) -> dict[str, Summary]:
    return {metric: row[metric] for metric in METRIC_TITLES if metric in row}


def _cost(scores: RunScores) -> dict[str, Summary]:
    """Wall seconds and peak memory as further columns."""
    if "cost" not in scores:
        return {}
    seconds, memory = sum(scores["cost"]["seconds"].values()), scores["cost"]["peak_memory_mib"]
    values = zip(COSTS, (seconds, memory), strict=True)
    return {name: {"mean": value, "std": None, "interval95": None, "values": []} for name, value in values}


def _markdown(rows: Sequence[Row]) -> str:
    lines: list[list[Cell]] = []
    for title, values in rows:
        costs = [f"{values[name]['mean']:.0f}" if name in values else "" for name in COSTS]
        lines.append([title, *(values.get(metric, "") for metric in METRIC_TITLES), *costs])
    header = ["trained on", *METRIC_TITLES.values(), *COSTS.values()]
    return markdown_table({"title": "", "header": header, "rows": lines})


def _csv(rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["trained on", "metric", "mean", "std", "values"])
    for title, values in rows:
        for name in (*METRIC_TITLES, *COSTS):
            if name in values:
                value = values[name]
                single = " ".join(str(v) for v in value.get("values", []))
                writer.writerow([title, name, value["mean"], value["std"], single])
    return buffer.getvalue()


def _draw(rows: Sequence[Row], methods: int, title: str, file: Path) -> None:
    """One panel per metric that every run has, one bar per row, the standard deviation as its error bar."""
    figure = Figure(figsize=(5 * len(PANELS), 1.2 + 0.32 * len(rows)), layout="constrained", dpi=110)
    figure.suptitle(title)
    for axis, metric in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS, strict=True):
        known = [(row, values[metric]) for row, (_, values) in enumerate(rows) if metric in values]
        axis.barh(
            [row for row, _ in known],
            [value["mean"] or 0.0 for _, value in known],
            xerr=[value["std"] or 0.0 for _, value in known],
            color=["tab:blue" if row < methods else "lightgray" for row, _ in known],
            capsize=2,
        )
        axis.set(
            title=METRIC_TITLES[metric],
            xlim=(0, 1),
            yticks=range(len(rows)),
            yticklabels=[name for name, _ in rows],
        )
        axis.grid(axis="x", alpha=0.3)
    figure.axes[0].invert_yaxis()
    FigureCanvasAgg(figure).print_png(str(file))
