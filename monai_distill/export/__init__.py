"""The files of a run: folder, pictures, tables, report, release and bundle."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .bundle import blank_model, fill_models, write_bundle
from .comparison import compare_methods, save_comparison
from .figures import save_curves, save_image_grid
from .run_folder import RunFolder
from .tables import cost_table, forecast_line, protocol_tables, score_table

__all__ = [
    "RunFolder",
    "blank_model",
    "compare_methods",
    "cost_table",
    "fill_models",
    "forecast_line",
    "protocol_tables",
    "save_comparison",
    "save_curves",
    "save_image_grid",
    "score_table",
    "write_bundle",
]
