"""Layers with hand-written derivatives."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations
