"""Counts that were given: steps, students, epochs."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from numbers import Integral
from typing import Any

__all__ = ["whole"]


def whole(value: Any, least: int = 1) -> bool:
    """Whether ``value`` is a whole number from ``least`` on; a loop over 1.5 epochs would never end.

    Example:
        >>> whole(2), whole(0), whole(1.5), whole("2")
        (True, False, False, False)
    """
    if isinstance(value, bool):
        return False
    return isinstance(value, Integral) and int(value) >= least
