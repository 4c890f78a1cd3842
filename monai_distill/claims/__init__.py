"""Privacy claims as pure functions of a manifest, an audit and a ledger."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .tier import Tier, tier_of

__all__ = [
    "Tier",
    "tier_of",
]
