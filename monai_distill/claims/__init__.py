"""Privacy claims as pure functions of a manifest, an audit and a ledger."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .audit_evidence import GATE, is_valid_attack, measures_membership, why_void, within_gate
from .tier import Tier, tier_of

__all__ = ["GATE", "Tier", "is_valid_attack", "measures_membership", "tier_of", "why_void", "within_gate"]
