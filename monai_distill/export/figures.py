"""Pictures of a run: curves, image grid and heat map."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.metrics.score_record import Summary

from .fonts import drawable_names, font_families
from .tables import mean_and_std

__all__ = [
    "MOST_PER_CLASS",
    "draw_curves",
    "draw_heat_map",
    "save_curves",
    "save_image_grid",
    "stretched",
    "validated_metrics",
]


def draw_heat_map(panels: Mapping[str, Mapping[str, Mapping[str, Summary]]], title: str, file: str | Path) -> Path:
    """Draw scores as PNG: a panel per metric, a row per set, a column per network; missing scores are left empty.

    Args:
        panels: panel title -> row title -> column title -> summary of scores from 0 to 1.
        title: of the picture.
        file: the PNG to write.

    Example:
        >>> import tempfile
        >>> value = {"mean": 0.5, "std": None, "interval95": None, "values": [0.5]}
        >>> panels = {"accuracy": {"dm": {"vit": value}}}
        >>> draw_heat_map(panels, "digits", Path(tempfile.mkdtemp()) / "x.png").exists()
        True
    """
    names = list(dict.fromkeys(name for rows in panels.values() for row in rows.values() for name in row))
    height = 0.6 + 0.42 * max(2, *(len(rows) for rows in panels.values()))
    figure = Figure(figsize=(2.6 + 1.15 * len(names), 0.5 + height * len(panels)), layout="constrained", dpi=130)
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    figure.suptitle(title, fontsize=10)
    for axis, (label, rows) in zip(axes, panels.items(), strict=True):
        cells = [[row.get(name) for name in names] for row in rows.values()]
        means = np.array([[np.nan if c is None or c["mean"] is None else c["mean"] for c in row] for row in cells])
        image = axis.imshow(means, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for (row, column), mean in np.ndenumerate(means):
            color = "white" if mean <= 0.55 else "black"  # an empty cell is white
            text = mean_and_std(cells[row][column]).replace(" ± ", "\n± ")
            axis.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
        axis.set_xticks(range(len(names)), names, fontsize=9)
        axis.set_yticks(range(len(rows)), [name.replace(", ", ",\n") for name in rows], fontsize=9)
        axis.set_title(label, fontsize=9, loc="left")
        figure.colorbar(image, ax=axis, pad=0.01).ax.tick_params(labelsize=7)
    FigureCanvasAgg(figure).print_png(str(file))
    return Path(file)


MOST_PER_CLASS, LABEL_WIDTH = 10, 22


def save_image_grid(synthetic: SyntheticDataset, file: str | Path, *, stored: bool = False) -> Path:
    """Draw at most ten images of every class as PNG; of a volume the middle slice.

    The pictures show pixel values (preprocessing undone). Every image is stretched from its 1st to its 99th percentile,
    because a distilled signal leaves the range of real images.

    Args:
        synthetic: the set; with one or three channels; of any other number only the first is shown.
        file: the PNG to write.
        stored: draw the canvases as they are stored, not the images that are decoded from them.

    Example:
        >>> import tempfile
        >>> data = SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> save_image_grid(data, Path(tempfile.mkdtemp()) / "grid.png").stat().st_size > 1000
        True
    """
    pixels = (synthetic.canvas_pixels() if stored else synthetic.pixels()).cpu()
    labels = (synthetic.canvas_labels if stored else synthetic.labels).cpu()
    rows = [torch.nonzero(labels == c).flatten()[:MOST_PER_CLASS].tolist() for c in range(len(synthetic.class_names))]
    columns = max(1, *(len(row) for row in rows))
    figure = Figure(figsize=(1.1 * columns + 2.2, 1.1 * len(rows) + 0.2), layout="constrained", dpi=110)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    names = drawable_names(synthetic.class_names, Path(file).name)
    for row, name, line in zip(rows, names, axes, strict=True):
        for place, axis in enumerate(line):
            axis.set_xticks([])
            axis.set_yticks([])
            if place < len(row):
                axis.imshow(stretched(pixels[row[place]]).numpy(), cmap="gray", interpolation="nearest")
            else:
                axis.set_visible(False)
        title = "\n".join(textwrap.wrap(name, LABEL_WIDTH))
        style: dict[str, Any] = {"fontfamily": font_families(name), "fontsize": 8, "parse_math": False}
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", **style)
    FigureCanvasAgg(figure).print_png(str(file))  # the object API: no global pyplot state
    return Path(file)


def stretched(image: Tensor) -> Tensor:
    """An image [channels, *spatial] as [H, W] or [H, W, 3], values 0 to 1, its 1st percentile black, its 99th white.

    Example:
        >>> stretched(torch.rand(3, 4, 6)).shape, stretched(torch.rand(1, 9, 4, 6)).shape
        (torch.Size([4, 6, 3]), torch.Size([4, 6]))
    """
    while image.ndim > 3:
        image = image[:, image.shape[1] // 2]
    image = image if image.shape[0] == 3 else image[:1]
    low, high = torch.quantile(image.flatten(), torch.tensor([0.01, 0.99]))
    shown = ((image - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    arranged: Tensor = shown.permute(1, 2, 0) if len(shown) == 3 else shown[0]
    return arranged


Rows = Sequence[Mapping[str, float]]
Validations = Sequence[Mapping[str, Any]]  # None where a metric has no value


def save_curves(iterations: Rows, validations: Validations, file: str | Path, *, chosen: int | None = None) -> Path:
    """Draw loss, learned learning rate and validation scores as PNG; ``chosen`` marks the selected iteration.

    Args:
        iterations: rows with ``iteration``, ``loss`` and ``student_lr``.
        validations: rows with ``iteration`` and one entry per metric, None for one without a value.
        file: the PNG to write.
        chosen: iteration of the state that was selected on validation.

    Example:
        >>> import tempfile
        >>> rows = [{"iteration": i, "loss": 1 / i, "student_lr": 0.01} for i in (1, 2)]
        >>> save_curves(rows, [{"iteration": 2, "accuracy": 0.5}], Path(tempfile.mkdtemp()) / "c.png").exists()
        True
    """
    figure = Figure(figsize=(11, 3.2), layout="constrained", dpi=110)
    draw_curves(figure.subplots(1, 3), iterations, validations, chosen=chosen)
    FigureCanvasAgg(figure).print_png(str(file))
    return Path(file)


def validated_metrics(validations: Validations) -> list[str]:
    """The names of the metrics of a run's validations, in order.

    Example:
        >>> validated_metrics([{"iteration": 2, "accuracy": None, "diverged": True}, {"iteration": 4, "accuracy": 0.5}])
        ['accuracy']
    """
    return [name for name in (validations[0] if validations else {}) if name not in ("iteration", "diverged")]


def draw_curves(axes: Sequence[Axes], iterations: Rows, validations: Validations, *, chosen: int | None = None) -> None:
    """Draw the panels of :func:`save_curves` into three axes, of one figure or of three.

    Example:
        >>> axes = Figure().subplots(1, 3)
        >>> draw_curves(axes, [{"iteration": 1, "loss": 0.5, "student_lr": 0.01}], [])
        >>> axes[0].get_title()
        'matching loss'
    """
    loss, lr, score = axes
    steps = [row["iteration"] for row in iterations]
    loss.plot(steps, [row["loss"] for row in iterations], linewidth=0.8)
    loss.set(title="matching loss", xlabel="iteration", yscale="log")
    lr.plot(steps, [row["student_lr"] for row in iterations])
    lr.set(title="learned learning rate", xlabel="iteration")
    names = validated_metrics(validations)
    for name, marker in zip(names, itertools.cycle("os^Dv"), strict=False):
        score.plot(
            [row["iteration"] for row in validations],
            [float("nan") if (value := row[name]) is None else value for row in validations],
            marker=marker,
            label=name.replace("_", " "),
        )
    score.set(title="validation, mean of the students", xlabel="iteration")
    if names:
        score.legend(fontsize=7)
    else:
        score.text(0.5, 0.5, "nothing was validated", ha="center", transform=score.transAxes)
        score.set_axis_off()
    for axis in (loss, lr, score):
        if chosen is not None:
            axis.axvline(chosen, color="gray", linestyle=":", linewidth=1)
        axis.grid(alpha=0.3)
