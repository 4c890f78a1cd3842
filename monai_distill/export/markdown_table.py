"""Markdown tables whose columns line up in a terminal."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["markdown_table", "mean_and_std"]


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
