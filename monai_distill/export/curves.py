"""How a distillation went: loss, step size and validation over the iterations."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["draw_curves", "save_curves", "validated_metrics"]

Rows = Sequence[Mapping[str, float]]
Validations = Sequence[Mapping[str, Any]]  # None where a metric has no value


def save_curves(iterations: Rows, validations: Validations, file: str | Path, *, chosen: int | None = None) -> Path:
    """Draw three panels as PNG: loss, learned step size, validation scores; ``chosen`` marks the kept iteration.

    Args:
        iterations: rows with ``iteration``, ``loss`` and ``step_size``.
        validations: rows with ``iteration`` and one entry per metric, None for one without a value.
        file: the PNG to write.
        chosen: iteration of the state that was selected on validation.

    Example:
        >>> import tempfile
        >>> rows = [{"iteration": i, "loss": 1 / i, "step_size": 0.01} for i in (1, 2)]
        >>> save_curves(rows, [{"iteration": 2, "accuracy": 0.5}], Path(tempfile.mkdtemp()) / "c.png").exists()
        True
    """
    figure = Figure(figsize=(11, 3.2), layout="constrained", dpi=110)
    draw_curves(figure.subplots(1, 3), iterations, validations, chosen=chosen)
    FigureCanvasAgg(figure).print_png(str(file))
    return Path(file)


def validated_metrics(validations: Validations) -> list[str]:
    """Names of the metrics of a run's validations, in order.

    Example:
        >>> validated_metrics([{"iteration": 2, "accuracy": None, "diverged": True}, {"iteration": 4, "accuracy": 0.5}])
        ['accuracy']
    """
    return [name for name in (validations[0] if validations else {}) if name not in ("iteration", "diverged")]


def draw_curves(axes: Sequence[Axes], iterations: Rows, validations: Validations, *, chosen: int | None = None) -> None:
    """Draw the same into three axes, of one figure or of three.

    Example:
        >>> axes = Figure().subplots(1, 3)
        >>> draw_curves(axes, [{"iteration": 1, "loss": 0.5, "step_size": 0.01}], [])
        >>> axes[0].get_title()
        'matching loss'
    """
    loss, rate, score = axes
    steps = [row["iteration"] for row in iterations]
    loss.plot(steps, [row["loss"] for row in iterations], linewidth=0.8)
    loss.set(title="matching loss", xlabel="iteration", yscale="log")
    rate.plot(steps, [row["step_size"] for row in iterations])
    rate.set(title="learned step size", xlabel="iteration")
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
    for axis in (loss, rate, score):
        if chosen is not None:
            axis.axvline(chosen, color="gray", linestyle=":", linewidth=1)
        axis.grid(alpha=0.3)
