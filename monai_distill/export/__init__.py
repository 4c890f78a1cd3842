"""What leaves a run: the folder, its pictures and its table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .bundle_folder import write_bundle
from .bundle_models import blank_model, fill_models
from .bundle_release import release_bundle
from .comparison import compare_methods, save_comparison
from .curves import save_curves
from .image_grid import save_image_grid
from .run_folder import RunFolder
from .score_table import score_table

__all__ = [
    "RunFolder",
    "blank_model",
    "compare_methods",
    "fill_models",
    "release_bundle",
    "save_comparison",
    "save_curves",
    "save_image_grid",
    "score_table",
    "write_bundle",
]
