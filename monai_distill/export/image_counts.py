"""Accuracy against the number of stored images: how many synthetic images a data set needs, by method."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monai_distill.metrics.score_record import Cell, Metric, RunScores, ScoreRow
from monai_distill.metrics.score_tables import METRIC_TITLES, all_rows, row_title
from monai_distill.runtime.atomic_file import atomic_write

from .tables import markdown_table

__all__ = ["count_folder", "save_image_counts"]

PANELS: tuple[Metric, ...] = ("accuracy", "balanced_accuracy")
LINES = ("random", "herding")  # controls of the same size
SHARES = (0.90, 0.95, 0.99)  # of the score of all training images
Curve = dict[int, ScoreRow]  # by images per class


def count_folder(folder: str | Path, images_per_class: int) -> Path:
    """The folder of the comparison at one number of images per class.

    Example:
        >>> count_folder("all", 10).as_posix()
        'all/ipc10'
    """
    return Path(folder) / f"ipc{images_per_class}"


def save_image_counts(folder: str | Path, counts: Sequence[int], methods: Sequence[str]) -> str:
    """Write ``images.md``, ``images.csv`` and ``images.png`` from the finished runs ``folder/ipcN/METHOD``.

    The first table holds the accuracy of every method and of random and chosen real images at every number, the second
    one the smallest of these numbers that reaches 90, 95 and 99 percent of the accuracy of all training images.

    Args:
        folder: holds one comparison per number, and receives the files.
        counts: numbers of stored images per class.
        methods: names of the runs.

    Returns:
        The Markdown tables.

    Raises:
        RuntimeError: if no run has scores.
    """
    folder = Path(folder)
    runs = {
        (method, count): json.loads(file.read_text())
        for count in sorted(set(counts))
        for method in methods
        if (file := count_folder(folder, count) / method / "scores.json").is_file()
    }
    if not runs:
        raise RuntimeError(f"Cannot find a finished run below {folder}: every comparison failed, or none was run.")
    curves = _curves(runs)
    full = next((all_rows(scores)["full"] for scores in runs.values() if "full" in scores), None)
    text = "\n\n".join([_score_table(curves, full), _need_table(curves, full)])
    atomic_write(folder / "images.md", (text + "\n").encode())
    atomic_write(folder / "images.csv", _csv(curves, full).encode())
    first = next(iter(runs.values()))
    _draw(curves, full, len(first.get("source", {}).get("counts", {}).get("training", [])), folder / "images.png")
    return text


def _curves(runs: Mapping[tuple[str, int], RunScores]) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for (method, count), scores in runs.items():
        curves.setdefault(method, {})[count] = scores["distilled"]
    for control in LINES:
        for (_, count), scores in runs.items():
            if control in (rows := all_rows(scores)):
                curves.setdefault(row_title(control), {}).setdefault(count, rows[control])
    return curves


def _score_table(curves: Mapping[str, Curve], full: ScoreRow | None) -> str:
    counts = sorted({count for curve in curves.values() for count in curve})
    rows: list[list[Cell]] = [
        [name, *(curve[count]["accuracy"] if count in curve else "" for count in counts)]
        for name, curve in curves.items()
    ]
    if full is not None:
        rows.append([row_title("full"), *([full["accuracy"]] * len(counts))])
    header = ["accuracy with images per class", *(str(count) for count in counts)]
    return markdown_table({"title": "", "header": header, "rows": rows})


def _need_table(curves: Mapping[str, Curve], full: ScoreRow | None) -> str:
    if full is None:
        return "How many images reach the accuracy of all training images is unknown: that row was not scored."
    goal = full["accuracy"]["mean"] or 0.0
    rows: list[list[Cell]] = [
        [name, *(_needed(curve, share * goal) for share in SHARES)] for name, curve in curves.items()
    ]
    header = ["images per class that reach", *(f"{share:.0%} of all data ({share * goal:.3f})" for share in SHARES)]
    return markdown_table({"title": "", "header": header, "rows": rows})


def _needed(curve: Curve, goal: float) -> str:
    """The smallest measured number whose mean reaches ``goal``."""
    reached = [count for count in sorted(curve) if (curve[count]["accuracy"]["mean"] or 0.0) >= goal]
    return str(reached[0]) if reached else f"more than {max(curve)}"


def _csv(curves: Mapping[str, Curve], full: ScoreRow | None) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["trained on", "images per class", "metric", "mean", "std"])
    for name, curve in curves.items():
        for count, row in curve.items():
            writer.writerows([name, count, metric, row[metric]["mean"], row[metric]["std"]] for metric in METRIC_TITLES)
    if full is not None:
        writer.writerows(
            [row_title("full"), "", metric, full[metric]["mean"], full[metric]["std"]] for metric in METRIC_TITLES
        )
    return buffer.getvalue()


def _draw(curves: Mapping[str, Curve], full: ScoreRow | None, classes: int, file: Path) -> None:
    """One panel per metric: a line per method and control with its deviation, all training images as a level."""
    figure = Figure(figsize=(6 * len(PANELS), 4.2), layout="constrained", dpi=110)
    controls = {row_title(control) for control in LINES}
    for axis, metric in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS, strict=True):
        for name, curve in curves.items():
            counts = sorted(curve)
            means = [curve[count][metric]["mean"] or 0.0 for count in counts]
            deviations = [curve[count][metric]["std"] or 0.0 for count in counts]
            style = {"linestyle": "--", "color": "gray", "marker": "x" if name == row_title("random") else "+"}
            axis.errorbar(
                [count * max(1, classes) for count in counts],
                means,
                yerr=deviations,
                label=name,
                capsize=2,
                **(style if name in controls else {"marker": "o"}),
            )
        if full is not None:
            axis.axhline(full[metric]["mean"] or 0.0, color="black", linewidth=1, label=row_title("full"))
        axis.set(title=METRIC_TITLES[metric], xscale="log", ylim=(0, 1))
        stored = sorted({count * max(1, classes) for curve in curves.values() for count in curve})
        axis.minorticks_off()
        axis.set_xticks(stored, labels=[str(number) for number in stored])
        axis.set_xlabel("stored images" if classes else "stored images per class")
        axis.grid(alpha=0.3)
    figure.axes[0].legend(loc="lower right", fontsize="small")
    FigureCanvasAgg(figure).print_png(str(file))
