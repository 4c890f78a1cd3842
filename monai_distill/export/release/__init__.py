"""The release folder: written with its tier, scored as it lies, scanned, verified by whoever gets it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .identifying_words import IdentifyingWords
from .licence import licence_text
from .owner import Owner
from .reading import read_release
from .release import Release
from .scan import scan_release
from .synthetic_only import SyntheticOnly
from .tier import ReleaseTier
from .verify import Verification

__all__ = [
    "IdentifyingWords",
    "Owner",
    "Release",
    "ReleaseTier",
    "SyntheticOnly",
    "Verification",
    "licence_text",
    "read_release",
    "scan_release",
]
