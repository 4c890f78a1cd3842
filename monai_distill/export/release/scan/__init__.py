"""Search for identifying content in a release."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .identifying_words import IdentifyingWords

__all__ = [
    "IdentifyingWords",
]
