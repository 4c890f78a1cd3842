"""Handlers that attach to an engine: progress, history, the best set, the state for a resume, the cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .best_synthetic import BestSynthetic
from .history import History
from .predictions import Predictions
from .progress_bar import ProgressBar
from .resumable_state import ResumableState
from .run_cost import RunCost
from .synthetic_updates import AveragedSynthetic, PixelRange, TeacherRelabeler

__all__ = [
    "AveragedSynthetic",
    "BestSynthetic",
    "History",
    "PixelRange",
    "Predictions",
    "ProgressBar",
    "ResumableState",
    "RunCost",
    "TeacherRelabeler",
]
