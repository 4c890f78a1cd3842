"""The ``monai-distill`` command: composes ``configs/`` and hands them to ``monai.bundle``; one file per command."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .main import main

__all__ = [
    "main",
]
