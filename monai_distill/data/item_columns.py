"""What a data set knows of every image besides its class: patient, site, and whatever a table adds."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["item_columns"]

NOT_COLUMNS = {"image", "label", "class_name", "mask"}


def item_columns(dataset: Any) -> dict[str, list[str]]:
    """One text per image for every further key of the items of a MONAI dataset, in order; nothing where there is none.

    Args:
        dataset: its ``data`` is a list of dictionaries; a key counts when every item has it.

    Example:
        >>> from monai.data import Dataset
        >>> item_columns(Dataset([{"image": 0, "label": 0, "site": "A"}, {"image": 1, "label": 1, "site": "B"}]))
        {'site': ['A', 'B']}
    """
    items = getattr(dataset, "data", ())
    if not isinstance(items, Sequence) or not items or not all(isinstance(item, dict) for item in items):
        return {}
    names = [name for name in items[0] if name not in NOT_COLUMNS and all(name in item for item in items)]
    return {name: [str(item[name]) for item in items] for name in names}
