"""The charts of a report, drawn by matplotlib, each with its content in words."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from monai_distill.export.figures import draw_curves, validated_metrics
from monai_distill.export.fonts import font_families
from monai_distill.metrics.score_record import Summary

from .page_elements import Picture, chart_picture, number

__all__ = ["curve_pictures", "heat_map", "line_chart", "score_chart"]

MOST_POINTS, MOST_NUMBERS, LABEL_WIDTH = 2000, 16, 26
INK = "#1b1b1b"


def curve_pictures(history: Mapping[str, Any], chosen: int | None) -> list[Picture]:
    """Loss, learning rate and validation of a run in one chart each, so that a narrow screen can stack them.

    Args:
        history: ``iterations`` and ``validations`` of ``history.json``.
        chosen: the selected iteration, marked by a dotted line.

    Example:
        >>> row = {"iteration": 1, "loss": 0.5, "student_lr": 0.01}
        >>> curve_pictures({"iterations": [row], "validations": []}, None)[0].alt
        'Matching loss over 1 iterations, from 0.500 to 0.500, logarithmic axis.'
    """
    iterations, validations = history.get("iterations", []), history.get("validations", [])
    if not iterations:
        return []
    figures = [Figure(figsize=(3.5, 2.8), layout="constrained") for _ in range(3)]
    axes = [figure.subplots() for figure in figures]
    draw_curves(axes, iterations, validations, chosen=chosen)
    if len(iterations) > MOST_POINTS:  # as pixels inside the chart: a point costs some twenty bytes
        for line in (*axes[0].lines, *axes[1].lines):
            line.set_rasterized(True)
    over, first, last = f"over {len(iterations)} iterations", iterations[0], iterations[-1]
    alts = [
        f"Matching loss {over}, from {number(first['loss'])} to {number(last['loss'])}, logarithmic axis.",
        f"Learned learning rate {over}, from {number(first['student_lr'])} to {number(last['student_lr'])}.",
        "Validation scores, mean of the students. " + _highest(validations),
    ]
    used = 3 if validations else 2
    return [chart_picture(figure, alt) for figure, alt in zip(figures[:used], alts, strict=False)]


def _highest(validations: Sequence[Mapping[str, float]]) -> str:
    parts = []
    for name in validated_metrics(validations):
        best = max(validations, key=lambda row: row[name] if row[name] is not None else float("-inf"))
        parts.append(f"{name.replace('_', ' ')} highest at iteration {best['iteration']} with {number(best[name])}")
    return "; ".join(parts).capitalize() + "."


def score_chart(rows: Sequence[tuple[str, Summary]], chance: float, label: str) -> Picture:
    """One row per training set: the mean with its 95% interval, networks as faint rings, chance as a dotted line.

    Args:
        rows: title and summary; the first is the distilled set.
        chance: the score of guessing.
        label: name of the metric.

    Example:
        >>> value = {"mean": 0.5, "std": None, "interval95": [0.4, 0.6], "values": [0.5]}
        >>> score_chart([("distilled", value)], 0.1, "accuracy").alt
        'Accuracy with 95% interval: distilled 0.500 (0.400 to 0.600). Guessing: 0.100.'
    """
    figure = Figure(figsize=(5, 1.1 + 0.46 * len(rows)), layout="constrained")
    axis, words = figure.subplots(), []
    for place, (title, value) in enumerate(rows):
        color = "tab:blue" if place == 0 else "dimgray"
        values, interval = [v for v in value["values"] if v is not None], value["interval95"]
        axis.plot(values, [place] * len(values), "o", markerfacecolor="none", color=color, alpha=0.4, markersize=5)
        if interval:
            axis.plot(interval, [place, place], color=color, linewidth=2.5, solid_capstyle="butt")
        axis.plot([float("nan") if value["mean"] is None else value["mean"]], [place], "D", color=color, markersize=6)
        between = f" ({number(interval[0])} to {number(interval[1])})" if interval else ""
        words.append(f"{title} {number(value['mean'])}{between}")
    axis.axvline(chance, linestyle=":", color=INK, linewidth=1)
    axis.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xlabel=label, yticks=range(len(rows)))
    axis.set_yticklabels([textwrap.fill(title, LABEL_WIDTH) for title, _ in rows], fontsize=9)
    axis.grid(axis="x", alpha=0.3)
    alt = f"{label.capitalize()} with 95% interval: {'; '.join(words)}. Guessing: {number(chance)}."
    caption = "Mean (diamond), 95% interval of the mean (bar), single networks (rings); dotted: guessing."
    return chart_picture(figure, alt, caption)


def heat_map(
    values: Sequence[Sequence[float | None]], rows: Sequence[str], columns: Sequence[str], alt: str, caption: str
) -> Picture:
    """A matrix of fractions as colors from 0 (white) to 1 (dark), with its numbers up to sixteen rows and columns.

    Example:
        >>> heat_map([[0.9, 0.1], [0.2, 0.8]], "ab", "ab", "Confusion.", "").alt
        'Confusion.'
    """
    cells = [[float("nan") if value is None else value for value in row] for row in values]
    height, width = len(cells), len(columns)
    figure = Figure(figsize=(2.4 + 0.62 * width, 1.5 + 0.45 * height), layout="constrained")
    axis = figure.subplots()
    axis.imshow(cells, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set(xticks=range(width), yticks=range(height))
    families = font_families("".join([*rows, *columns]))
    style: dict[str, Any] = {"fontfamily": families, "fontsize": 9, "parse_math": False}
    axis.set_xticklabels([_short(name) for name in columns], rotation=45, ha="right", **style)
    axis.set_yticklabels([_short(name) for name in rows], **style)
    if max(height, width) <= MOST_NUMBERS:
        for row, line in enumerate(cells):
            for column, value in enumerate(line):
                if value == value:
                    color = "white" if value > 0.7 else INK
                    axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=color, fontsize=9)
    return chart_picture(figure, alt, caption)


def line_chart(rows: Mapping[str, Sequence[float | None]], label: str, alt: str, caption: str) -> Picture:
    """One line per training set over the steps 1, 2, ...; missing values leave a gap.

    Example:
        >>> line_chart({"distilled": [0.9, 0.5]}, "accuracy", "Accuracy falls.", "").alt
        'Accuracy falls.'
    """
    figure = Figure(figsize=(5, 3), layout="constrained")
    axis = figure.subplots()
    for (name, values), marker in zip(rows.items(), "os^Dv" * len(rows), strict=False):
        heights = [float("nan") if value is None else value for value in values]
        axis.plot(range(1, len(values) + 1), heights, marker=marker, label=name)
    axis.set(xlabel="step", ylabel=label, ylim=(0, 1))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return chart_picture(figure, alt, caption)


def _short(name: str) -> str:
    if "\n" in name:
        return "\n".join(map(_short, name.split("\n")))
    return name if len(name) <= LABEL_WIDTH else name[: LABEL_WIDTH - 1].rstrip() + "…"
