"""Privacy audit: attacks on a distilled set, with controls that show whether the attacks could succeed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .audit import Audit, audit_table
from .candidates import Candidates
from .shadow_job import ShadowJob
from .shadow_runs import MIN_SHADOWS, ShadowRuns

__all__ = ["MIN_SHADOWS", "Audit", "Candidates", "ShadowJob", "ShadowRuns", "audit_table"]
