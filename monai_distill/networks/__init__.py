"""Networks of the distillation literature for any image size, 2D and 3D, and ways to use many of them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .factories import factory_config, with_norm
from .features import activations, embedding, shared_statistics
from .flat_network import FlatNetwork, has_random_layers
from .gradients import MODES, in_parts, parameter_gradient, through_compiler
from .loss_derivatives import LossDerivatives
from .map_over_networks import map_over_networks, should_vmap

__all__ = [
    "MODES",
    "FlatNetwork",
    "LossDerivatives",
    "activations",
    "embedding",
    "factory_config",
    "has_random_layers",
    "in_parts",
    "map_over_networks",
    "parameter_gradient",
    "shared_statistics",
    "should_vmap",
    "through_compiler",
    "with_norm",
]
