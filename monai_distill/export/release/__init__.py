"""The release folder: written with its tier, scored as it lies, scanned, verified by whoever gets it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .license import Owner, license_text
from .release import Release
from .synthetic_only import SyntheticOnly
from .tier import ReleaseTier
from .verify import Verification

__all__ = ["Owner", "Release", "ReleaseTier", "SyntheticOnly", "Verification", "license_text"]
