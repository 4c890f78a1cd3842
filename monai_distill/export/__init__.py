"""What leaves a run: the folder, its pictures and its table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .comparison import compare_methods, save_comparison
from .curves import save_curves
from .image_grid import save_image_grid
from .release import (
    IdentifyingWords,
    Owner,
    Release,
    ReleaseTier,
    SyntheticOnly,
    Verification,
    read_release,
    scan_release,
)
from .run_folder import RunFolder
from .score_table import score_table

__all__ = [
    "IdentifyingWords",
    "Owner",
    "Release",
    "ReleaseTier",
    "RunFolder",
    "SyntheticOnly",
    "Verification",
    "compare_methods",
    "read_release",
    "save_comparison",
    "save_curves",
    "save_image_grid",
    "scan_release",
    "score_table",
]
