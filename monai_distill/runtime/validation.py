"""Counts that were given: steps, students, epochs."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

__all__ = ["listed_names", "whole"]


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


def whole(value: Any, least: int = 1) -> bool:
    """Whether ``value`` is a whole number from ``least`` on; a loop over 1.5 epochs would never end.

    Example:
        >>> whole(2), whole(0), whole(1.5), whole("2")
        (True, False, False, False)
    """
    if isinstance(value, bool):
        return False
    return isinstance(value, Integral) and int(value) >= least
