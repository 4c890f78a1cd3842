"""MONAI-style dataset distillation: real images in, a tiny scored synthetic training set out."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
