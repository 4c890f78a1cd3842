"""Services at run time: randomness, atomic files, checksums, caches, validation, memory, processes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .result_cache import ResultCache

__all__ = [
    "ResultCache",
]
