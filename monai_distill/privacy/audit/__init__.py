"""Privacy audit: attacks on a distilled set, with controls that show whether the attacks could succeed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .audit import Audit

__all__ = [
    "Audit",
]
