"""Several methods on one data set, side by side, as a table and a picture."""

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

from monai_distill.runtime.atomic_file import atomic_write

from .protocol_comparison import protocol_comparison
from .tables import NAMES, ROWS, markdown_table, mean_and_std

__all__ = ["compare_methods", "save_comparison"]

CONTROLS = {name: title for name, title in ROWS.items() if name not in ("distilled", "dp_sgd")}
COSTS = {"seconds": "time in s", "peak_memory_mib": "peak MiB"}
SAME = ("dataset", "images_per_class")
Row = tuple[str, Mapping[str, Any]]


def compare_methods(
    folder: str | Path,
    methods: Sequence[str],
    run: Callable[[str, Path], None],
    *,
    asked: Mapping[str, Any],
    further: Callable[[Path], None] = lambda folder: None,
) -> str:
    """Run every method that has no scores yet in ``folder/METHOD``, then :func:`save_comparison`.

    A method that fails is told of in a warning, and those that have scores are compared; calling again goes on with it.

    Args:
        folder: made when absent.
        methods: in the order of the rows.
        run: runs (or goes on with) a method, given its name and its folder.
        asked: the settings of all runs as plain JSON values; kept in ``compare.json``.
        further: asks more of a finished run, every time; given its folder, it adds to the run's ``scores.json``.

    Returns:
        The Markdown tables.

    Raises:
        ValueError: when no method is given or ``folder`` is that of a run or of a comparison with other settings.
        RuntimeError: when ``folder`` cannot be made, or a method failed; then the table of the others is written.
    """
    folder = Path(folder)
    _keep_to(folder, json.loads(json.dumps(dict(asked))))
    failed = []
    for method in methods:
        try:
            if not _file(folder, method).exists():
                run(method, folder / method)
            further(folder / method)
        except (ValueError, TypeError, RuntimeError, OSError) as error:
            while error.__cause__ is not None:  # the one that says what is wrong
                error = error.__cause__  # type: ignore[assignment]
            warnings.warn(f"{method} failed: {error}", stacklevel=2)
            failed.append(method)
    done = [method for method in methods if _file(folder, method).exists()]
    table = save_comparison(folder, done) if done or not failed else ""
    if failed:
        raise RuntimeError(f"{', '.join(failed)} did not finish, see the warnings.\n{table}")
    return table


def _keep_to(folder: Path, asked: dict[str, Any]) -> None:
    file = folder / "compare.json"
    if (folder / "config.json").exists():
        raise ValueError(f"Expected a folder for several runs, got {folder}, that of a run. Give another --output_dir.")
    found = json.loads(file.read_text()) if file.exists() else asked
    names = [name for name in sorted({*found, *asked}) if found.get(name) != asked.get(name)]
    if names:
        rows = "; ".join(f"{name}: found {found.get(name)!r}, asked for {asked.get(name)!r}" for name in names)
        raise ValueError(f"{folder} holds a comparison with other settings ({rows}). Give another output_dir.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(
            f"Expected a folder for the comparison, or a new name, got {folder}: {error.strerror}. Give another "
            "--output_dir."
        ) from error
    atomic_write(file, json.dumps(asked, indent=2).encode())


def save_comparison(folder: str | Path, methods: Sequence[str]) -> str:
    """Write ``compare.md``, ``compare.csv`` and ``compare.png`` from the finished runs ``folder/METHOD``.

    Below the methods stand the controls, once: real subsets of the same size, all training images and the most frequent
    class, as the first run that has them scored them (its preprocessing and its candidate learning rates). The time is
    that of the whole run, experts and scores included; experts that several runs share count in full in each. Below
    the scores comes what :func:`protocol_comparison` finds.

    Args:
        folder: holds one run folder per method, and receives the files.
        methods: the runs in the order of the rows.

    Returns:
        The Markdown tables.

    Raises:
        ValueError: when no method is given, or the runs are of different data sets or numbers of images per class.
        RuntimeError: when a run has no scores.

    Example:
        >>> import tempfile
        >>> folder, value = Path(tempfile.mkdtemp()), {name: {"mean": 0.5, "std": 0.1} for name in NAMES}
        >>> scores = {"dataset": "digits", "images_per_class": 1, "distilled": value, "prior": {"accuracy": 0.1}}
        >>> (folder / "mtt").mkdir()
        >>> _ = (folder / "mtt" / "scores.json").write_text(json.dumps(scores))
        >>> save_comparison(folder, ["mtt"]).splitlines()[-1].split("|")[2].strip()
        '0.100'
    """
    folder = Path(folder)
    runs = {method: _scores(_file(folder, method)) for method in methods}
    if not runs:
        raise ValueError("Expected at least one method with a run, got none (random is a row beside others).")
    first = next(iter(runs.values()))
    for method, scores in runs.items():
        found, expected = ([s.get(key) for key in SAME] for s in (scores, first))
        if found != expected:
            raise ValueError(
                f"Expected runs of the same {' and '.join(SAME)}, {folder / method} has {found}, another {expected}. "
                "Give another output_dir."
            )
    rows: list[Row] = [(method, {**scores["distilled"], **_cost(scores)}) for method, scores in runs.items()]
    for control, title in CONTROLS.items():
        known = [{**scores, **scores.get("controls", {})} for scores in runs.values()]
        rows += [(title, scores[control]) for scores in known if control in scores][:1]
    rows.append(("most frequent class", {"accuracy": {"mean": first["prior"]["accuracy"], "std": None}}))
    text = "\n\n".join(table for table in (_markdown(rows), protocol_comparison(folder, runs)) if table)
    atomic_write(folder / "compare.md", (text + "\n").encode())
    atomic_write(folder / "compare.csv", _csv(rows).encode())
    _draw(rows, f"{first['dataset']}, {first['images_per_class']} per class", folder / "compare.png")
    return text


def _file(folder: Path, method: str) -> Path:
    return folder / method / "scores.json"


def _scores(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise RuntimeError(f"Cannot find {file}: that run is not finished. Run or resume it first.")
    scores: dict[str, Any] = json.loads(file.read_text())
    return scores


def _cost(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Wall seconds and peak memory as further columns; none for a run of before these were counted."""
    if "cost" not in scores:
        return {}
    seconds, memory = sum(scores["cost"]["seconds"].values()), scores["cost"]["peak_memory_mib"]
    return {"seconds": {"mean": seconds, "std": None}, "peak_memory_mib": {"mean": memory, "std": None}}


def _markdown(rows: Sequence[Row]) -> str:
    lines = [["trained on", *NAMES.values(), *COSTS.values()]]
    for title, values in rows:
        costs = (f"{values[name]['mean']:.0f}" if name in values else "" for name in COSTS)
        lines.append([title, *(mean_and_std(values.get(name), missing="") for name in NAMES), *costs])
    return markdown_table(lines)


def _csv(rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["trained on", "metric", "mean", "std", "values"])
    for title, values in rows:
        for name in (*NAMES, *COSTS):
            if name in values:
                value = values[name]
                single = " ".join(str(v) for v in value.get("values", []))
                writer.writerow([title, name, value["mean"], value["std"], single])
    return buffer.getvalue()


def _draw(rows: Sequence[Row], title: str, file: Path) -> None:
    """One panel per metric that every run has, one bar per row, the standard deviation as its error bar."""
    panels = [("accuracy", "accuracy"), ("balanced_accuracy", "balanced accuracy")]
    figure = Figure(figsize=(5 * len(panels), 1.2 + 0.32 * len(rows)), layout="constrained", dpi=110)
    figure.suptitle(title)
    for axis, (name, label) in zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True):
        known = [(row, values[name]) for row, (_, values) in enumerate(rows) if values.get(name)]
        methods = len(rows) - 1 - sum(row_title in CONTROLS.values() for row_title, _ in rows)
        axis.barh(
            [row for row, _ in known],
            [value["mean"] or 0.0 for _, value in known],
            xerr=[value["std"] or 0.0 for _, value in known],
            color=["tab:blue" if row < methods else "lightgray" for row, _ in known],
            capsize=2,
        )
        axis.set(title=label, xlim=(0, 1), yticks=range(len(rows)), yticklabels=[row_title for row_title, _ in rows])
        axis.grid(axis="x", alpha=0.3)
    figure.axes[0].invert_yaxis()
    FigureCanvasAgg(figure).print_png(str(file))
