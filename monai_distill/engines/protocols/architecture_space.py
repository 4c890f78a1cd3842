"""Named combinations of network arguments, and the selection of those that fit the images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from monai_distill.networks.flat_network import FlatNetwork, build_flat_network
from monai_distill.networks.running_statistics import scored_network

__all__ = ["architecture_space", "usable_networks"]


def architecture_space(
    factory: Callable[..., nn.Module], space: Mapping[str, Sequence[Any]]
) -> dict[str, functools.partial[nn.Module]]:
    """Every combination of the values as a factory, named by the arguments that differ.

    Args:
        factory: builds a network from its arguments.
        space: values by argument.

    Example:
        >>> list(architecture_space(nn.Linear, {"in_features": [1, 2], "out_features": [3]}))
        ['in_features 1', 'in_features 2']
    """
    combined = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    varied = [name for name, values in space.items() if len(values) > 1] or list(space)
    return {
        ", ".join(f"{name} {choice[name]}" for name in varied): functools.partial(factory, **choice)
        for choice in combined
    }


def usable_networks(
    factories: Mapping[str, Callable[[], nn.Module]], device: torch.device | str, budget: float | None = None
) -> tuple[dict[str, FlatNetwork], dict[str, str]]:
    """The architectures that fit the images, and the reasons why others do not; a warning names one of them.

    Args:
        factories: build one network each and raise a ValueError if it does not fit the images.
        device: device of the networks.
        budget: MiB of graph, for batches in parts; None for whole batches.

    Raises:
        ValueError: if no architecture fits.

    Example:
        >>> usable_networks({"linear": lambda: nn.Linear(2, 2)}, "cpu")[1]
        {}
    """
    networks, skipped = {}, {}
    for name, factory in factories.items():
        try:
            networks[name] = scored_network(build_flat_network(factory, device, budget))
        except ValueError as error:
            skipped[name] = str(error)
    if not networks:
        raise ValueError(f"Expected an architecture that fits the images, got {skipped}.")
    if skipped:
        name, reason = next(iter(skipped.items()))
        warnings.warn(
            f"{len(skipped)} of {len(factories)} architectures do not fit the images, such as {name}: {reason}",
            stacklevel=2,
        )
    return networks, skipped
