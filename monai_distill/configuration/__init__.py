"""Composition of configurations, presets and the types of settings."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .composition import available, bundle_line, composed, config_dir, config_files
from .presets import chosen_preset

__all__ = ["available", "bundle_line", "chosen_preset", "composed", "config_dir", "config_files"]
