"""Where the time of a run went, as a table that a terminal can show."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["cost_table"]


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
