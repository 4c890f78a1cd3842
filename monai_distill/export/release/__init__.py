"""The release folder: write, sign and verify it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .license import Owner
from .release import Release
from .signature import private_key, sign_release
from .synthetic_only import SyntheticOnly
from .tier import ReleaseTier
from .verify import Verification

__all__ = ["Owner", "Release", "ReleaseTier", "SyntheticOnly", "Verification", "private_key", "sign_release"]
