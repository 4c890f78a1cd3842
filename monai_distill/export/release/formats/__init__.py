"""The file formats of a release."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .reading import read_release

__all__ = ["read_release"]
