"""``report.html``: the results of a run, its uses and its limits, for a reader who does not program."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .writer import save_report

__all__ = [
    "save_report",
]
