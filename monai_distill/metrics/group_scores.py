"""Scores of every group of test images: a site, a scanner, a sex, an age band."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from .classification import SCORES
from .score_logits import summary
from .score_record import GroupScores, Metric, ScoreRow

__all__ = ["group_gap", "group_scores", "scores_by_value"]

MOST_VALUES = 20  # a column with more values, or with fewer than two images per value, holds no groups


def scores_by_value(probabilities: Tensor, labels: Tensor, entries: Sequence[str]) -> dict[str, ScoreRow]:
    """The scores of every value of one column.

    Args:
        probabilities: [S, n, classes] of S students.
        labels: class numbers [n].
        entries: the value of every image [n].

    Returns:
        By value ``images`` and the metrics, summarized over students.

    Example:
        >>> scores = scores_by_value(torch.eye(2)[None], torch.tensor([0, 0]), ["north", "south"])
        >>> {value: row["accuracy"]["mean"] for value, row in scores.items()}
        {'north': 1.0, 'south': 0.0}
    """
    rows: dict[str, ScoreRow] = {}
    for value in sorted(set(entries)):
        members = torch.tensor([i for i, entry in enumerate(entries) if entry == value])
        scores = {
            name: summary([score(p.numpy(), labels[members].numpy()) for p in probabilities[:, members]])
            for name, score in SCORES.items()
        }
        rows[value] = cast("ScoreRow", {"images": len(members), **scores})
    return rows


def group_scores(
    rows: Mapping[str, Tensor], labels: Tensor, columns: Mapping[str, Sequence[str]]
) -> dict[str, GroupScores]:
    """The scores of every group for several training sets; columns that name no groups are left out.

    Args:
        rows: name of a training set -> logits [S, n, classes] of its S students.
        labels: class numbers [n].
        columns: name -> the value of every image [n]; ``patient`` is no group.

    Returns:
        By column: row -> value -> ``images`` and the metrics.

    Example:
        >>> logits = {"full": torch.eye(4, 2)[None]}
        >>> columns = {"site": ["north", "south", "south", "south"], "file": ["1", "2", "3", "4"]}
        >>> scores = group_scores(logits, torch.tensor([0, 0, 1, 1]), columns)
        >>> scores["site"]["full"]["south"]["images"], list(scores)
        (3, ['site'])
    """
    most = min(MOST_VALUES, len(labels) // 2)
    chosen = {name: entries for name, entries in columns.items() if name != "patient" and 1 < len(set(entries)) <= most}
    probabilities = {name: logits.detach().cpu().double().softmax(dim=2) for name, logits in rows.items()}
    return {
        column: {name: scores_by_value(values, labels.cpu(), entries) for name, values in probabilities.items()}
        for column, entries in chosen.items()
    }


def group_gap(values: Mapping[str, ScoreRow], metric: Metric = "balanced_accuracy") -> float | None:
    """The largest difference between the means of two groups; None where fewer than two have one.

    Example:
        >>> value = lambda mean: {"accuracy": {"mean": mean, "std": None, "interval95": None, "values": [mean]}}
        >>> group_gap({"north": value(0.75), "south": value(0.5)}, "accuracy")
        0.25
    """
    means = [row[metric]["mean"] for row in values.values() if metric in row]
    known = [mean for mean in means if mean is not None]
    return max(known) - min(known) if len(known) > 1 else None
