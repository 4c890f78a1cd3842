"""``report.html``: what a run made, what it is good for and what it is not, for a reader who does not program."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .writer import save_report

__all__ = ["save_report"]
