"""What attaches to an engine: progress, history, the best set, the state for a resume, the cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .averaged_synthetic import AveragedSynthetic
from .best_synthetic import BestSynthetic
from .history import History
from .peak_memory import PeakMemory
from .progress_bar import ProgressBar
from .resumable_state import ResumableState
from .run_cost import RunCost

__all__ = ["AveragedSynthetic", "BestSynthetic", "History", "PeakMemory", "ProgressBar", "ResumableState", "RunCost"]
