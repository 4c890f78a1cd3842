"""Tables as Markdown for a terminal or a README: scores, protocols, cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from monai_distill.metrics.score_record import Cell, Cost, RunScores, Summary, Table
from monai_distill.metrics.score_tables import METRIC_TITLES, ROW_TITLES, all_rows, row_title

__all__ = [
    "NOTHING",
    "cost_table",
    "forecast_line",
    "is_summary",
    "markdown_table",
    "mean_and_std",
    "number",
    "protocol_tables",
    "score_table",
]

NOTHING = "-"


def markdown_table(table: Table) -> str:
    """Render a table; the widths of the columns are equal in every line. The title is not rendered.

    Raises:
        ValueError: if a row has more or fewer cells than the header.

    Example:
        >>> print(markdown_table({"title": "", "header": ["a", "b"], "rows": [["long", 0.5]]}))
        | a    | b     |
        |------|-------|
        | long | 0.500 |
    """
    lines = [list(table["header"]), *([_written(cell) for cell in row] for row in table["rows"])]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text)


def _written(cell: Cell) -> str:
    return mean_and_std(cast("Summary", cell)) if is_summary(cell) else number(cell)


def is_summary(value: Any) -> bool:
    """Whether a JSON value is a summary of scores; the mean and std of a preprocessing are lists.

    Example:
        >>> is_summary({"mean": 0.5, "std": None}), is_summary({"mean": [0.5], "std": [0.2]})
        (True, False)
    """
    return isinstance(value, Mapping) and all(
        isinstance(value.get(name, ""), float | int | None) for name in ("mean", "std")
    )


def mean_and_std(value: Summary | None) -> str:
    """A score as a cell.

    Example:
        >>> mean_and_std({"mean": 0.5, "std": 0.1, "interval95": None, "values": []}), mean_and_std(None)
        ('0.500 ± 0.100', '-')
    """
    if value is None or value["mean"] is None:
        return NOTHING
    return f"{value['mean']:.3f}" + ("" if value["std"] is None else f" ± {value['std']:.3f}")


def number(value: Any) -> str:
    """A value of a JSON file as a reader expects it.

    Example:
        >>> number(0.12345), number(12), number(True), number(None), number(1e-5), number([1, 2])
        ('0.123', '12', 'yes', '-', '1e-05', '1, 2')
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value)
    return str(value)


def cost_table(cost: Cost) -> str:
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


def forecast_line(cost: Cost) -> str:
    """The plan's forecast next to the time that the run took, in one line; empty without a forecast.

    Example:
        >>> times = {"seconds": {"experts": 40.0}, "cpu_seconds": {"experts": 38.0}}
        >>> planned = {name: {"start": 5.0, **parts} for name, parts in times.items()}
        >>> forecast_line({**times, "peak_memory_mib": 1.0, "memory_of": "process", "forecast": planned})
        'Forecast 40 s (CPU 38 s), took 40 s (CPU 38 s): 0 % off in CPU time.'
    """
    planned = cost.get("forecast", {})
    if not planned.get("seconds"):
        return ""
    kinds = ("seconds", "cpu_seconds")
    # imports are over before a run counts its time
    wall, cpu = (sum(value for part, value in planned[kind].items() if part != "start") for kind in kinds)
    took, used = sum(cost["seconds"].values()), sum(cost.get("cpu_seconds", {}).values())
    off = 100 * abs(used - cpu) / cpu if cpu else 0.0
    return (
        f"Forecast {wall:.0f} s (CPU {cpu:.0f} s), took {took:.0f} s (CPU {used:.0f} s): {off:.0f} % off in CPU time."
    )


def score_table(scores: RunScores) -> str:
    """A Markdown table of ``scores.json``: the distilled set, its controls, mean and standard deviation over students.

    Example:
        >>> value = {"mean": 0.5, "std": 0.1, "interval95": None, "values": []}
        >>> row = dict.fromkeys(METRIC_TITLES, value)
        >>> print(score_table({"distilled": row, "prior": {"accuracy": 0.25}}).splitlines()[2])
        | distilled images    | 0.500 ± 0.100 | 0.500 ± 0.100     | 0.500 ± 0.100 | 0.500 ± 0.100 |
    """
    lines: list[list[Cell]] = [
        [row_title(name), *(row.get(metric) for metric in METRIC_TITLES)] for name, row in all_rows(scores).items()
    ]
    lines.append([ROW_TITLES["prior"], scores["prior"]["accuracy"], *[""] * (len(METRIC_TITLES) - 1)])
    return markdown_table({"title": "", "header": ["trained on", *METRIC_TITLES.values()], "rows": lines})


def protocol_tables(scores: RunScores, names: Sequence[str] | None = None) -> str:
    """The tables of the protocols as Markdown, each below its title.

    Args:
        scores: the content of ``scores.json``.
        names: the protocols to show; by default all that the scores hold.

    Returns:
        Empty text if there are none.

    Example:
        >>> table = {"title": "Sizes", "header": ["set", "images"], "rows": [["distilled", 10]]}
        >>> print(protocol_tables({"protocols": {"size": {"tables": [table]}}}))
        Sizes
        <BLANKLINE>
        | set       | images |
        |-----------|--------|
        | distilled | 10     |
    """
    protocols = scores.get("protocols", {})
    shown = [protocols[name] for name in (protocols if names is None else names) if name in protocols]
    tables = [table for result in shown for table in result.get("tables", [])]
    return "\n\n".join(f"{table['title']}\n\n{markdown_table(table)}" for table in tables)
