"""What further protocols found for several methods, side by side."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .figures import PANELS, draw_heat_map
from .tables import markdown_table, mean_and_std

__all__ = ["protocol_comparison"]

RANDOM = "random real, same size"
Scores = Mapping[str, Any]


def protocol_comparison(folder: str | Path, runs: Mapping[str, Scores]) -> str:
    """Markdown tables over the runs of what at least one of them has: other architectures, search, continual learning.

    Below the methods stands the random set, as the first run that has the protocol scored it. For other architectures
    ``cross_architecture.png`` is drawn as well, a row a method.

    Args:
        folder: receives the picture.
        runs: the content of ``scores.json`` by method, in the order of the rows.

    Returns:
        Empty text when no run has any of them.

    Example:
        >>> step = {"average": {kind: {"accuracy": 0.5, "balanced_accuracy": 0.5} for kind in ("distilled", "random")}}
        >>> print(protocol_comparison(".", {"dm": {"continual": step}}).splitlines()[-1])
        | random real, same size                           | 0.500    | 0.500             |
    """
    tables = []
    across = _with_random(runs, "cross_architecture", lambda s, kind: s[_CROSS[kind]], _CROSS["random"])
    if across:
        names = list(dict.fromkeys(name for row in across.values() for name in row))
        for metric, label in PANELS.items():
            lines = [[f"{label} of other networks", *names]]
            for title, row in across.items():
                lines.append([title, *(mean_and_std(row[name][metric] if name in row else None) for name in names)])
            tables.append(markdown_table(lines))
        file = Path(folder) / "cross_architecture.png"
        draw_heat_map(across, PANELS, "test scores of students by architecture", file)
    if searched := _with_random(runs, "nas", lambda s, kind: s["nas"][kind]):
        head = ["architectures ranked by", "Spearman, all", "Spearman, top", "seconds"]
        figures = [[_number(row.get(key)) for key in ("spearman", "spearman_top")] for row in searched.values()]
        seconds = [f"{row['seconds']:.0f}" for row in searched.values()]
        rows = zip(searched, figures, seconds, strict=True)
        tables.append(markdown_table([head, *([title, *found, time] for title, found, time in rows)]))
    if remembered := _with_random(runs, "continual", lambda s, kind: s["continual"]["average"][kind]):
        lines = [["memory of a class-incremental learner, mean step", *PANELS.values()]]
        lines += [[title, *(_number(row[metric]) for metric in PANELS)] for title, row in remembered.items()]
        tables.append(markdown_table(lines))
    return "\n\n".join(tables)


_CROSS = {"distilled": "cross_architecture", "random": "cross_architecture_random"}


def _with_random(
    runs: Mapping[str, Scores], key: str, row: Callable[[Scores, str], Any], needs: str | None = None
) -> dict[str, Any]:
    """The distilled row of every run that has ``key``, then the random one of the first of these."""
    known = {method: scores for method, scores in runs.items() if key in scores and (needs or key) in scores}
    if not known:
        return {}
    found = {method: row(scores, "distilled") for method, scores in known.items()}
    return {**found, RANDOM: row(next(iter(known.values())), "random")}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
