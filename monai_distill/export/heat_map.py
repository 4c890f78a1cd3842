"""The cross-architecture scores as a picture: who was trained on what, and how well it did."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["save_heat_map"]

ROWS = {"cross_architecture": "distilled", "cross_architecture_random": "random real,\nsame size"}
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
    names = list(scores["cross_architecture"])
    figure = Figure(figsize=(2.2 + 1.15 * len(names), 1.1 + 1.5 * len(PANELS)), layout="constrained", dpi=130)
    axes = figure.subplots(len(PANELS), 1, squeeze=False)[:, 0]
    title = f"{scores['dataset']}, {scores['method']}: " if {"dataset", "method"} <= scores.keys() else ""
    figure.suptitle(f"{title}test scores of students by architecture", fontsize=10)
    for axis, (metric, label) in zip(axes, PANELS.items(), strict=True):
        cells = [[scores[key][name][metric] for name in names] for key in ROWS]
        means = np.array([[np.nan if c["mean"] is None else c["mean"] for c in row] for row in cells])
        image = axis.imshow(means, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for (row, column), mean in np.ndenumerate(means):
            colour = "black" if mean > 0.55 else "white"
            axis.text(column, row, _cell(cells[row][column]), ha="center", va="center", fontsize=8, color=colour)
        axis.set_xticks(range(len(names)), names, fontsize=9)
        axis.set_yticks(range(len(ROWS)), list(ROWS.values()), fontsize=9)
        axis.set_title(label, fontsize=9, loc="left")
        figure.colorbar(image, ax=axis, pad=0.01).ax.tick_params(labelsize=7)
    FigureCanvasAgg(figure).print_png(str(file))
    return Path(file)


def _cell(value: Mapping[str, Any]) -> str:
    if value["mean"] is None:
        return "-"
    return f"{value['mean']:.3f}" + ("" if value["std"] is None else f"\n± {value['std']:.3f}")
