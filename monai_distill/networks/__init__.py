"""Networks of the distillation literature for any image size, 2D and 3D, and ways to use many of them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .factories import described, with_norm
from .features import activations, embedding, shared_statistics
from .flat_network import FlatNetwork, draws_at_random
from .gradients import MODES, parameter_gradient, through_compiler
from .loss_derivatives import LossDerivatives
from .over_networks import over_networks, pays_to_stack

__all__ = [
    "MODES",
    "FlatNetwork",
    "LossDerivatives",
    "activations",
    "described",
    "draws_at_random",
    "embedding",
    "over_networks",
    "parameter_gradient",
    "pays_to_stack",
    "shared_statistics",
    "through_compiler",
    "with_norm",
]
