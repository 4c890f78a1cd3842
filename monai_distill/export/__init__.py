"""What leaves a run: the folder, its pictures and its table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .comparison import compare_methods, save_comparison
from .cost_table import cost_table
from .curves import save_curves
from .image_grid import save_image_grid
from .run_folder import RunFolder
from .score_table import score_table

__all__ = [
    "RunFolder",
    "compare_methods",
    "cost_table",
    "save_comparison",
    "save_curves",
    "save_image_grid",
    "score_table",
]
