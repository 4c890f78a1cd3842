"""Composition of configurations, presets and the types of settings."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .composition import available, bundle_line, composed, config_dir, config_files
from .presets import resolve_preset

__all__ = ["available", "bundle_line", "composed", "config_dir", "config_files", "resolve_preset"]
