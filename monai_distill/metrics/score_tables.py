"""Titles of rows and metrics, tables of rows, and the comparison of two scores."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping

from .score_record import Cell, Metric, RunScores, ScoreRow, Summary, Table

__all__ = ["METRIC_TITLES", "ROW_TITLES", "all_rows", "apart", "metric_table", "percent", "row_title"]

METRIC_TITLES: dict[Metric, str] = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "macro AUROC",
}
ROW_TITLES = {  # in the order of a table
    "distilled": "distilled images",
    "dp_sgd": "all training images, by DP-SGD",
    "random": "as many random real images",
    "packed": "as many canvases of shrunk random real images",
    "random_effective": "as many random real images as are decoded",
    "herding": "as many real images by herding",
    "k_center": "as many real images by k-center",
    "soft_label_random": "as many random real images with soft labels",
    "full": "all training images",
    "prior": "most frequent class",
}


def row_title(name: str) -> str:
    """The title of a row; a control without a title gets its name.

    Example:
        >>> row_title("full"), row_title("my_control")
        ('all training images', 'my control')
    """
    return ROW_TITLES.get(name, name.replace("_", " "))


def all_rows(scores: RunScores) -> dict[str, ScoreRow]:
    """The rows of the score table by name, in the order of :data:`ROW_TITLES`; controls without a title come last.

    Example:
        >>> list(all_rows({"full": {}, "controls": {"forgetting": {}, "herding": {}}, "distilled": {}}))
        ['distilled', 'herding', 'full', 'forgetting']
    """
    rows: dict[str, ScoreRow] = dict(scores.get("controls", {}))
    for name in ("distilled", "dp_sgd", "random", "full"):
        if name in scores:
            rows[name] = scores[name]
    return {name: rows[name] for name in (*ROW_TITLES, *rows) if name in rows}


def metric_table(rows: Mapping[str, ScoreRow], title: str, what: str) -> Table:
    """A table of titled rows with the metrics that any of them has.

    Example:
        >>> value = {"mean": 0.5, "std": None, "interval95": None, "values": [0.5]}
        >>> metric_table({"vit": {"accuracy": value, "lr": 0.1}}, "t", "architecture")["header"]
        ['architecture', 'accuracy']
    """
    metrics = {metric: name for metric, name in METRIC_TITLES.items() if any(metric in row for row in rows.values())}
    cells: list[list[Cell]] = [[name, *(row.get(metric) for metric in metrics)] for name, row in rows.items()]
    return {"title": title, "header": [what, *metrics.values()], "rows": cells}


def apart(first: Summary | None, second: Summary | None) -> int | None:
    """1 if the first mean exceeds the second by more than the sum of both standard deviations, -1 if below, else 0.

    None if one of them is missing or has no deviation (a single network).

    Example:
        >>> wide, narrow = ({"mean": 0.9, "std": std, "interval95": None, "values": []} for std in (0.3, 0.1))
        >>> low = {"mean": 0.5, "std": 0.1, "interval95": None, "values": []}
        >>> apart(narrow, low), apart(wide, low), apart(low, narrow), apart(None, low)
        (1, 0, -1, None)
    """
    if not first or not second:
        return None
    if first["mean"] is None or second["mean"] is None or first["std"] is None or second["std"] is None:
        return None
    gap, both = first["mean"] - second["mean"], first["std"] + second["std"]
    return 0 if abs(gap) <= both else 1 if gap > 0 else -1


def percent(fraction: float | None) -> str:
    """A fraction as text in percent.

    Example:
        >>> percent(0.6418), percent(None)
        ('64.2%', 'unknown')
    """
    return "unknown" if fraction is None else f"{100 * fraction:.1f}%"
