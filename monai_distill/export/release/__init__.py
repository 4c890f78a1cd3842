"""The release folder: write, sign and verify it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .license import Owner
from .release import Release
from .synthetic_only import SyntheticOnly
from .verify import Verification

__all__ = [
    "Owner",
    "Release",
    "SyntheticOnly",
    "Verification",
]
