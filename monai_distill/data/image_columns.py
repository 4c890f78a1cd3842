"""The further columns of a dataset's items: patients, sites, sexes and the like."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["column_named", "item_columns", "with_column"]

NOT_COLUMNS = {"image", "label", "class_name", "mask"}


def item_columns(dataset: Any, kept: Sequence[int] | None = None) -> dict[str, list[str]]:
    """One text per image for every further key of the items of a MONAI dataset, in order.

    Args:
        dataset: its ``data`` is a list of dictionaries; a key counts when every item has it.
        kept: positions of the items; None: all of them.

    Example:
        >>> from monai.data import Dataset
        >>> data = Dataset([{"image": 0, "label": 0, "site": "A"}, {"image": 1, "label": 1, "site": "B"}])
        >>> item_columns(data), item_columns(data, [1])
        ({'site': ['A', 'B']}, {'site': ['B']})
    """
    items = getattr(dataset, "data", ())
    if not isinstance(items, Sequence) or not items or not all(isinstance(item, dict) for item in items):
        return {}
    names = [name for name in items[0] if name not in NOT_COLUMNS and all(name in item for item in items)]
    chosen = items if kept is None else [items[i] for i in kept]
    return {name: [str(item[name]) for item in chosen] for name in names}


def column_named(columns: Mapping[str, Sequence[str]], name: str | None) -> Sequence[str] | None:
    """The column of a name, whatever its case; None where no name is given.

    Raises:
        ValueError: if there is no such column, or several differ by case alone.

    Example:
        >>> column_named({"Site": ["A", "B"]}, "site"), column_named({}, None)
        (['A', 'B'], None)
    """
    if name is None:
        return None
    fitting = [name] if name in columns else [column for column in columns if column.casefold() == name.casefold()]
    if len(fitting) != 1:
        known = ", ".join(column for column in columns if column != "patient") or "none"
        raise ValueError(
            f"Expected for --group_column one column that every training image has, got {name!r}; known: {known}. "
            "Name a column of the table, or a key of the items."
        )
    return columns[fitting[0]]


def with_column(names: Sequence[str] | str, name: str | None) -> list[str]:
    """The names of columns with one more, where there is one.

    Example:
        >>> with_column(["sex"], "site"), with_column(["site"], "site"), with_column([], None)
        (['sex', 'site'], ['site'], [])
    """
    listed = [names] if isinstance(names, str) else list(names)
    return listed if name is None or name in listed else [*listed, name]
