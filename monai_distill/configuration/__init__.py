"""Composition of configurations, presets, types of settings, and the steps of a run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations
