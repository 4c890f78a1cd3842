"""The ``monai-distill`` command: composes ``configs/`` and hands them to ``monai.bundle``; one file per command."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .composition import available, bundle_line, composed, config_dir, config_files
from .main import main, parser

__all__ = ["available", "bundle_line", "composed", "config_dir", "config_files", "main", "parser"]
