"""The plan of a run: settings that fit the data and the machine, and the cost before it starts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .plan import Plan
from .planner import make_plan
from .request import Request
from .text import plan_text

__all__ = ["Plan", "Request", "make_plan", "plan_text"]
