"""The processes of one job under torchrun: their ranks, and their collective calls."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .exchange import anywhere, copy_from_first, from_first, means, seen_by_all, sums, to_first
from .group import count, even_share, is_first, join, leave, rank, require_single_process

__all__ = [
    "anywhere",
    "copy_from_first",
    "count",
    "even_share",
    "from_first",
    "is_first",
    "join",
    "leave",
    "means",
    "rank",
    "require_single_process",
    "seen_by_all",
    "sums",
    "to_first",
]
