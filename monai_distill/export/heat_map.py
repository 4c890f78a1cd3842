"""The cross-architecture scores as a picture: who was trained on what, and how well it did."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .markdown_table import mean_and_std

__all__ = ["draw_heat_map", "save_heat_map"]

ROWS = {"cross_architecture": "distilled", "cross_architecture_random": "random real, same size"}
PANELS = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}


def save_heat_map(scores: Mapping[str, Any], file: str | Path) -> Path:
    """Draw ``cross_architecture`` beside ``cross_architecture_random`` as PNG, mean ± standard deviation in every cell.

    Args:
        scores: the content of ``scores.json`` (architecture -> metric -> summary under both keys).
        file: the PNG to write.

    Raises:
        ValueError: when ``scores`` has no cross-architecture result.

    Example:
        >>> import tempfile
        >>> row = {"vit": {name: {"mean": 0.5, "std": None} for name in PANELS}}
        >>> file = Path(tempfile.mkdtemp()) / "cross_architecture.png"
        >>> save_heat_map({"cross_architecture": row, "cross_architecture_random": row}, file).exists()
        True
    """
    missing = [key for key in ROWS if not scores.get(key)]
    if missing:
        raise ValueError(f"Expected scores with {missing}. Make them with evaluate --protocols cross_architecture.")
    title = f"{scores['dataset']}, {scores['method']}: " if {"dataset", "method"} <= scores.keys() else ""
    rows = {label: scores[key] for key, label in ROWS.items()}
    return draw_heat_map(rows, PANELS, f"{title}test scores of students by architecture", file)


def draw_heat_map(
    rows: Mapping[str, Mapping[str, Any]], panels: Mapping[str, str], title: str, file: str | Path
) -> Path:
    """A panel per metric, a row per set, a column per network; what a row has not is left empty.

    Args:
        rows: row title -> column title -> metric -> mean and std.
        panels: metric -> title.
        title: of the picture.
        file: the PNG to write.

    Example:
        >>> import tempfile
        >>> rows = {"dm": {"vit": {"accuracy": {"mean": 0.5, "std": None}}}}
        >>> draw_heat_map(rows, {"accuracy": "accuracy"}, "digits", Path(tempfile.mkdtemp()) / "x.png").exists()
        True
    """
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    height = 0.6 + 0.42 * max(len(rows), 2)
    figure = Figure(figsize=(2.6 + 1.15 * len(names), 0.5 + height * len(panels)), layout="constrained", dpi=130)
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    figure.suptitle(title, fontsize=10)
    for axis, (metric, label) in zip(axes, panels.items(), strict=True):
        cells = [[row[name][metric] if name in row else None for name in names] for row in rows.values()]
        means = np.array([[np.nan if c is None or c["mean"] is None else c["mean"] for c in row] for row in cells])
        image = axis.imshow(means, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for (row, column), mean in np.ndenumerate(means):
            colour = "white" if mean <= 0.55 else "black"  # an empty cell is white
            text = mean_and_std(cells[row][column]).replace(" ± ", "\n± ")
            axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
        axis.set_xticks(range(len(names)), names, fontsize=9)
        axis.set_yticks(range(len(rows)), [name.replace(", ", ",\n") for name in rows], fontsize=9)
        axis.set_title(label, fontsize=9, loc="left")
        figure.colorbar(image, ax=axis, pad=0.01).ax.tick_params(labelsize=7)
    FigureCanvasAgg(figure).print_png(str(file))
    return Path(file)
