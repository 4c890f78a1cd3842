"""What leaves a run: the folder, its pictures and its table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .bundle_folder import write_bundle
from .bundle_models import blank_model, fill_models
from .comparison import compare_methods, save_comparison
from .cost_table import cost_table
from .curves import save_curves
from .heat_map import save_heat_map
from .image_grid import save_image_grid
from .protocol_table import protocol_tables
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
from .report import save_report
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
    "blank_model",
    "compare_methods",
    "cost_table",
    "fill_models",
    "protocol_tables",
    "read_release",
    "save_comparison",
    "save_curves",
    "save_heat_map",
    "save_image_grid",
    "save_report",
    "scan_release",
    "score_table",
    "write_bundle",
]
