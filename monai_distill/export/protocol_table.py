"""What the protocols beside the plain scores found, as tables that a terminal or a README can show."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .markdown_table import markdown_table, mean_and_std

__all__ = ["protocol_tables"]


def protocol_tables(scores: Mapping[str, Any]) -> str:
    """Markdown tables of what ``scores`` has: cross-architecture, architecture search, continual learning.

    Args:
        scores: the content of ``scores.json``, or a part of it; empty text for none of these.

    Example:
        >>> cell = {"mean": 0.5, "std": None}
        >>> row = {"vit": {"accuracy": cell, "balanced_accuracy": cell, "step_size": 0.01}}
        >>> table = protocol_tables({"cross_architecture": row, "cross_architecture_random": row})
        >>> table.splitlines()[-1].split()
        ['|', 'vit', '|', '0.500', '|', '0.500', '|', '0.500', '|', '0.500', '|', '0.01', '/', '0.01', '|']
    """
    tables = []
    if "cross_architecture" in scores:
        tables.append(_cross(scores["cross_architecture"], scores["cross_architecture_random"]))
    if "nas" in scores:
        tables.append(_search(scores["nas"]))
    if "continual" in scores:
        tables.append(_continual(scores["continual"]))
    return "\n\n".join(tables)


def _cross(distilled: Mapping[str, Any], random: Mapping[str, Any]) -> str:
    metrics = {"accuracy": "accuracy", "balanced_accuracy": "balanced"}
    columns = [f"{label}, {kind}" for label in metrics.values() for kind in ("distilled", "random")]
    lines = [["architecture", *columns, "step sizes"]]
    for name, row in distilled.items():
        cells = [mean_and_std(found[metric]) for metric in metrics for found in (row, random[name])]
        lines.append([name, *cells, f"{row['step_size']:.3g} / {random[name]['step_size']:.3g}"])
    return markdown_table(lines)


def _search(nas: Mapping[str, Any]) -> str:
    sizes = f"all {nas['architectures']}", f"top {nas['distilled']['top_size']}"
    lines = [
        ["ranked by", *(f"Spearman, {size}" for size in sizes), "seconds", "test accuracy of its pick on all data"]
    ]
    for kind, title in {"distilled": "distilled", "random": "random real", "full": "all training images"}.items():
        row = nas[kind]
        test = row["pick_on_full_data"]["test"].get("accuracy", {"mean": None})
        found = [_number(row.get(key)) for key in ("spearman", "spearman_top")] if kind != "full" else ["1", "1"]
        lines.append([title, *found, f"{row['seconds']:.0f}", f"{mean_and_std(test)} ({row['pick']})"])
    return markdown_table(lines)


def _continual(continual: Mapping[str, Any]) -> str:
    lines = [["classes seen", "images remembered", "accuracy, distilled", "accuracy, random"]]
    for step in continual["steps"]:
        cells = [mean_and_std(step[kind]["accuracy"]) for kind in ("distilled", "random")]
        lines.append([str(step["classes_seen"]), f"{step['memory_images']:g}", *cells])
    average = [f"{continual['average'][kind]['accuracy']:.3f}" for kind in ("distilled", "random")]
    return markdown_table([*lines, ["mean of the steps", "", *average]])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
