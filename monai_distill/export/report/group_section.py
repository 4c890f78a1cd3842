"""Scores of groups of test images, such as the sites of a table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping

from monai_distill.metrics.group_scores import group_gap
from monai_distill.metrics.score_record import Cell, GroupScores, Metric, Table
from monai_distill.metrics.score_tables import METRIC_TITLES, row_title

from .page_elements import Section, number

__all__ = ["group_section"]

METRICS: tuple[Metric, ...] = ("balanced_accuracy", "accuracy")
EXPLANATION = (
    "Every row holds the test images with one value of a column. A group with few images has an uncertain score. The "
    "last row is the largest difference between two groups: compare that of the distilled images with that of all "
    "training images."
)


def group_section(groups: Mapping[str, GroupScores]) -> Section:
    """A table per column and metric: groups in rows, training sets in columns, and the gap between groups.

    Args:
        groups: from ``scores.json``: column -> training set -> group -> scores.

    Example:
        >>> value = {"mean": 0.5, "std": None, "interval95": None, "values": [0.5]}
        >>> row = {"images": 3, "accuracy": value, "balanced_accuracy": value}
        >>> section = group_section({"site": {"distilled": {"A": row, "B": row}}})
        >>> section.tables[0]["rows"][-1]
        ['largest difference', 0.0]
    """
    tables = [_table(column, scores, metric) for column, scores in groups.items() for metric in METRICS]
    return Section("Group by group", [EXPLANATION], tables=tables)


def _table(column: str, scores: GroupScores, metric: Metric) -> Table:
    first = next(iter(scores.values()))
    rows: list[list[Cell]] = [
        [f"{value} ({number(row.get('images'))})", *(values[value].get(metric) for values in scores.values())]
        for value, row in first.items()
    ]
    rows.append(["largest difference", *(group_gap(values, metric) for values in scores.values())])
    header = [str(column), *(row_title(name) for name in scores)]
    return {"title": f"{METRIC_TITLES[metric]} by {column} (number of test images)", "header": header, "rows": rows}
