"""Networks of the distillation literature for any image size, 2D and 3D, and ways to use many of them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .adapted_network import AdaptedNetwork
from .factories import factory_config, with_norm
from .features import activations, embedding, shared_statistics
from .flat_network import FlatNetwork
from .gradients import MODES, in_parts, parameter_gradient, through_compiler
from .layer_kinds import has_random_layers
from .loss_derivatives import LossDerivatives
from .map_over_networks import map_over_networks, should_vmap
from .running_statistics import ScoredNetwork, scored_network

__all__ = [
    "MODES",
    "AdaptedNetwork",
    "FlatNetwork",
    "LossDerivatives",
    "ScoredNetwork",
    "activations",
    "embedding",
    "factory_config",
    "has_random_layers",
    "in_parts",
    "map_over_networks",
    "parameter_gradient",
    "scored_network",
    "shared_statistics",
    "should_vmap",
    "through_compiler",
    "with_norm",
]
