"""Attacks on what is released, with controls that tell whether they could have seen anything."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .attack_figures import attack_figures
from .audit import Audit, audit_table
from .calibration import calibrated
from .canary_bound import canary_bound, correct_guesses, guess_p_value
from .candidates import Candidates, real_release
from .copy_check import copy_figures, copy_likeness, released_copies
from .intervals import clopper_pearson
from .shadow_job import ShadowJob
from .shadow_runs import LEAST_SHADOWS, ShadowRuns

__all__ = [
    "LEAST_SHADOWS",
    "Audit",
    "Candidates",
    "ShadowJob",
    "ShadowRuns",
    "attack_figures",
    "audit_table",
    "calibrated",
    "canary_bound",
    "clopper_pearson",
    "copy_figures",
    "copy_likeness",
    "correct_guesses",
    "guess_p_value",
    "real_release",
    "released_copies",
]
