"""The score table of a report, and the rows that the distilled set is compared with."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from monai_distill.metrics.score_record import Cell, RunScores, ScoreRow, Table
from monai_distill.metrics.score_tables import METRIC_TITLES, ROW_TITLES, all_rows, row_title

__all__ = ["same_size_rows", "score_table_section"]


def same_size_rows(scores: RunScores) -> dict[str, ScoreRow]:
    """The controls that store as many images as the distilled set.

    Example:
        >>> list(same_size_rows({"distilled": {}, "random": {}, "full": {}}))
        ['random']
    """
    names = {"random", *scores.get("controls", {})} - {"random_effective"}  # which stores several times as many
    return {name: row for name, row in all_rows(scores).items() if name in names}


def score_table_section(scores: RunScores) -> Table:
    """Every row with every metric, the number of networks and the learning rate that it was trained with.

    Example:
        >>> value = {"mean": 0.5, "std": 0.1, "interval95": None, "values": [0.4, 0.6]}
        >>> score_table_section({"distilled": {"accuracy": value}})["rows"][0][-2:]
        [2, None]
    """
    rows: list[list[Cell]] = []
    for name, row in all_rows(scores).items():
        networks = max((len(row[metric]["values"]) for metric in METRIC_TITLES if metric in row), default=None)
        rows.append([row_title(name), *(row.get(metric) for metric in METRIC_TITLES), networks, row.get("lr")])
    if "prior" in scores:
        rest = [None] * (len(METRIC_TITLES) + 1)
        rows.append([ROW_TITLES["prior"], scores["prior"]["accuracy"], *rest])
    return {
        "title": "On the test images: mean ± standard deviation over networks, below it the 95% interval of the mean",
        "header": ["trained on", *METRIC_TITLES.values(), "networks", "learning rate"],
        "rows": rows,
    }
