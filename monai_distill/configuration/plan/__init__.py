"""The plan of a run: settings that fit the data and the machine, and the cost before it starts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations
