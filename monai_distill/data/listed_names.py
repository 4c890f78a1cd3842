"""Lists of names from callers: a single string is a list of letters, and never what was meant."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

__all__ = ["listed_names"]


def listed_names(names: Sequence[str], what: str = "class_names") -> tuple[str, ...]:
    """The names as strings, in order.

    Raises:
        TypeError: for a single string, or what is no sequence.

    Example:
        >>> listed_names(["benign", 2])
        ('benign', '2')
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise TypeError(f"Expected {what} as a list of names, such as [benign, malignant], got {names!r}.")
    return tuple(str(name) for name in names)
