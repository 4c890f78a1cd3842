"""Composition of configurations, presets, types of settings, and the steps of a run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .composition import bundle_line, composed, run_settings
from .files import available, config_dir, config_files, run_files
from .presets import preset_settings, resolve_preset

__all__ = [
    "available",
    "bundle_line",
    "composed",
    "config_dir",
    "config_files",
    "preset_settings",
    "resolve_preset",
    "run_files",
    "run_settings",
]
