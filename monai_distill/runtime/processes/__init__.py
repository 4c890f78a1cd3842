"""The processes of one job under torchrun: their ranks, and their collective calls."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations
