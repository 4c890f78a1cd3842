"""The files of a run: folder, pictures, tables, report, release and bundle."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .comparison import compare_methods
from .run_folder import RunFolder

__all__ = [
    "RunFolder",
    "compare_methods",
]
