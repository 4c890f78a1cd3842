"""The scores of a run as a table that a terminal or a README can show."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cost_table", "markdown_table", "mean_and_std", "protocol_tables", "score_table"]


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """The first line is the head; every line has as many cells.

    Example:
        >>> print(markdown_table([["a", "b"], ["long", "1"]]))
        | a    | b |
        |------|---|
        | long | 1 |
    """
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text)


def mean_and_std(value: Mapping[str, Any] | None, missing: str = "-") -> str:
    """A score as a cell.

    Args:
        value: with ``mean`` and ``std``, either of which may be None.
        missing: the cell of a score that is not there.

    Example:
        >>> mean_and_std({"mean": 0.5, "std": 0.1}), mean_and_std({"mean": 0.5, "std": None}), mean_and_std(None)
        ('0.500 ± 0.100', '0.500', '-')
    """
    if value is None or value["mean"] is None:
        return missing
    return f"{value['mean']:.3f}" + ("" if value.get("std") is None else f" ± {value['std']:.3f}")


def cost_table(cost: Mapping[str, Any]) -> str:
    """A Markdown table of ``scores.json["cost"]``: seconds and percent by part; peak memory below it.

    Experts that several runs share count in full in each of them. ``other`` is reading the data and writing files.

    Example:
        >>> seconds = {"experts": 30.0, "other": 10.0}
        >>> print(cost_table({"seconds": seconds, "peak_memory_mib": 812.34, "memory_of": "process"}))
        | part    | seconds | percent |
        |---------|--------:|--------:|
        | experts |    30.0 |      75 |
        | other   |    10.0 |      25 |
        | in all  |    40.0 |     100 |
        Peak memory: 812 MiB (process)
    """
    seconds = cost["seconds"]
    total = sum(seconds.values())
    rows = [*seconds.items(), ("in all", total)]
    width = max(len(name) for name in ("part", *(name for name, _ in rows)))
    lines = [f"| {'part':<{width}} | seconds | percent |", f"|{'-' * (width + 2)}|--------:|--------:|"]
    lines += [f"| {name:<{width}} | {value:>7.1f} | {100 * value / (total or 1):>7.0f} |" for name, value in rows]
    return "\n".join([*lines, f"Peak memory: {cost['peak_memory_mib']:.0f} MiB ({cost['memory_of']})"])


def protocol_tables(scores: Mapping[str, Any]) -> str:
    """Markdown tables of what ``scores`` has: cross-architecture, architecture search, continual learning.

    Args:
        scores: the content of ``scores.json``, or a part of it; empty text for none of these.

    Example:
        >>> cell = {"mean": 0.5, "std": None}
        >>> row = {"vit": {"accuracy": cell, "balanced_accuracy": cell, "lr": 0.01}}
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
    lines = [["architecture", *columns, "learning rates"]]
    for name, row in distilled.items():
        cells = [mean_and_std(found[metric]) for metric in metrics for found in (row, random[name])]
        lines.append([name, *cells, f"{row['lr']:.3g} / {random[name]['lr']:.3g}"])
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
