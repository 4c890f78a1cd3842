"""Counts that may leave."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

__all__ = ["rounded"]


def rounded(count: int) -> int:
    """To two digits: the exact number of patients can itself be what is to be protected.

    Example:
        >>> rounded(4708)
        4700
    """
    return round(count, 2 - len(str(count)))
