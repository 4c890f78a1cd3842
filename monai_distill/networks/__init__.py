"""Networks of the distillation literature for any image size, 2D and 3D, and ways to use many of them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .adapted_network import AdaptedNetwork
from .flat_network import FlatNetwork

__all__ = [
    "AdaptedNetwork",
    "FlatNetwork",
]
