"""Checks of arguments: each refusal names what was expected, what was given and what to do."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

__all__ = [
    "is_int_at_least",
    "listed_names",
    "require_in_interval",
    "require_int_at_least",
    "require_positive_int",
]


def listed_names(names: Sequence[str], what: str = "class_names") -> tuple[str, ...]:
    """The names as strings, in order.

    Raises:
        TypeError: if ``names`` is a single string or not a sequence.

    Example:
        >>> listed_names(["benign", 2])
        ('benign', '2')
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise TypeError(f"Expected {what} as a list of names, such as [benign, malignant], got {names!r}.")
    return tuple(str(name) for name in names)


def is_int_at_least(value: Any, least: int) -> bool:
    """Whether ``value`` is an integer (no bool, no float) of at least ``least``.

    Example:
        >>> is_int_at_least(0, 0), is_int_at_least(-1, 0), is_int_at_least(True, 0)
        (True, False, False)
    """
    if isinstance(value, bool):
        return False
    return isinstance(value, Integral) and int(value) >= least


def require_int_at_least(least: int, advice: str = "", /, **values: Any) -> None:
    """Refuse every value that is not an integer of at least ``least``.

    Args:
        least: the smallest value that is accepted.
        advice: what to do, a whole sentence; by default to change the value.
        values: the values, by the names that the caller knows them by.

    Raises:
        ValueError: naming the values that do not qualify.

    Example:
        >>> require_int_at_least(0, inner_epochs=-1)
        Traceback (most recent call last):
        ValueError: Expected inner_epochs as a whole number of at least 0, got -1. Change inner_epochs.
    """
    wrong = {name: value for name, value in values.items() if not is_int_at_least(value, least)}
    _refuse(wrong, f"as a whole number of at least {least}", advice)


def require_positive_int(advice: str = "", /, **values: Any) -> None:
    """Refuse every value that is not an integer of at least 1; see :func:`require_int_at_least`.

    Raises:
        ValueError: naming the values that do not qualify.

    Example:
        >>> require_positive_int(steps=10, batch_size=2.5)
        Traceback (most recent call last):
        ValueError: Expected batch_size as a whole number of at least 1, got 2.5. Change batch_size.
    """
    require_int_at_least(1, advice, **values)


def require_in_interval(interval: str, advice: str = "", /, **values: Any) -> None:
    """Refuse every value outside an interval; NaN and what is not a number lie outside of any.

    Args:
        interval: in mathematical notation: a square bracket includes its end, a round one does not, ``inf`` has none.
        advice: what to do, a whole sentence; by default to change the value.
        values: the values, by the names that the caller knows them by.

    Raises:
        ValueError: naming the values that do not qualify.

    Example:
        >>> require_in_interval("[0, 1)", decay=0.5, ratio=1.0)
        Traceback (most recent call last):
        ValueError: Expected ratio from 0 to below 1, got 1.0. Change ratio.
        >>> require_in_interval("(0, inf)", "Lower the gate.", gate=float("nan"))
        Traceback (most recent call last):
        ValueError: Expected gate above 0, got nan. Lower the gate.
    """
    low, high = (float(end) for end in interval[1:-1].split(","))
    wrong = {name: value for name, value in values.items() if not _inside(value, low, high, interval)}
    begin = f"above {low:g}" if interval[0] == "(" else f"from {low:g}"
    end = f"to below {high:g}" if interval[-1] == ")" else f"to {high:g}"
    at_least = begin if interval[0] == "(" else f"of at least {low:g}"
    _refuse(wrong, at_least if math.isinf(high) else f"{begin} {end}", advice)


def _inside(value: Any, low: float, high: float, interval: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    number = float(value)
    return (low < number if interval[0] == "(" else low <= number) and (
        number < high if interval[-1] == ")" else number <= high
    )


def _refuse(wrong: dict[str, Any], requirement: str, advice: str) -> None:
    if wrong:
        names = " and ".join(wrong)
        values = " and ".join(repr(value) for value in wrong.values())
        raise ValueError(f"Expected {names} {requirement}, got {values}. {advice or f'Change {names}.'}")
