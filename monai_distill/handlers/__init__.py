"""What attaches to an engine: progress, history, the best set, the state for a resume, the cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .averaged_synthetic import AveragedSynthetic
from .best_synthetic import BestSynthetic
from .fresh_labels import FreshLabels
from .history import History
from .peak_memory import PeakMemory
from .pixel_range import PixelRange
from .predictions import Predictions
from .progress_bar import ProgressBar
from .resumable_state import ResumableState
from .run_cost import RunCost

__all__ = [
    "AveragedSynthetic",
    "BestSynthetic",
    "FreshLabels",
    "History",
    "PeakMemory",
    "PixelRange",
    "Predictions",
    "ProgressBar",
    "ResumableState",
    "RunCost",
]
