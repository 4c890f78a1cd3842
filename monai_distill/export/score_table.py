"""The scores of a run as a table that a terminal or a README can show."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .markdown_table import markdown_table, mean_and_std

__all__ = ["score_table"]

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "macro AUROC",
}
ROWS = {
    "distilled": "distilled",
    "dp_sgd": "all, by DP-SGD",
    "random": "random real, same size",
    "herding": "herding, same size",
    "k_center": "k-center, same size",
    "soft_label_random": "random with soft labels",
    "full": "all training images",
}


def score_table(scores: Mapping[str, Any]) -> str:
    """A Markdown table of ``scores.json``: the distilled set, its controls, mean and standard deviation over students.

    Example:
        >>> value = {name: {"mean": 0.5, "std": 0.1} for name in NAMES}
        >>> print(score_table({"distilled": value, "prior": {"accuracy": 0.25}}).splitlines()[2])
        | distilled           | 0.500 ± 0.100 | 0.500 ± 0.100     | 0.500 ± 0.100 | 0.500 ± 0.100 |
    """
    lines = [["trained on", *NAMES.values()]]
    rows = {**scores, **scores.get("controls", {})}
    lines += [[title, *(mean_and_std(rows[row][name]) for name in NAMES)] for row, title in ROWS.items() if row in rows]
    lines.append(["most frequent class", f"{scores['prior']['accuracy']:.3f}", "", "", ""])
    return markdown_table(lines)
