"""Differentially private statistics and experts, and the account of what they cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .accounting import epsilon_of, noise_multiplier_for
from .gaussian_event import GaussianEvent
from .ledger import PrivacyLedger

__all__ = ["GaussianEvent", "PrivacyLedger", "epsilon_of", "noise_multiplier_for"]
