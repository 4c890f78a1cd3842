"""Networks by the name of their file in ``configs/networks/``."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from torch import nn

from monai_distill.networks.adapted_network import AdaptedNetwork
from monai_distill.runtime.randomness import temporary_global_seed

from .files import available, config_dir

__all__ = ["network_factories", "network_factory"]

TARGET = "network_factory::_target_"


def network_factory(name: str, arguments: Mapping[str, Any], **further: Any) -> Callable[..., nn.Module]:
    """A function that makes a fresh network of the class that ``configs/networks/NAME.yaml`` names.

    Args:
        name: of the file.
        arguments: ``spatial_dims``, ``in_channels``, ``num_classes`` and ``image_size``.
        further: such as ``width``; an argument that the class does not have is refused.

    Raises:
        ValueError: for an unknown name or argument.

    Example:
        >>> image = {"spatial_dims": 2, "in_channels": 1, "num_classes": 3, "image_size": [8, 8]}
        >>> type(network_factory("convnet", image, width=4, depth=1)()).__name__
        'ConvNet'
    """
    from monai.utils.module import instantiate  # here, so that `--help` answers at once

    if name not in available("networks"):
        raise ValueError(f"Expected a network of {', '.join(available('networks'))}, got {name}.")
    target = yaml.safe_load((config_dir() / "networks" / f"{name}.yaml").read_text())[TARGET]
    factory: functools.partial[nn.Module] = instantiate(target, "callable", **arguments, **further)
    unknown = sorted(set(further) - set(inspect.signature(factory.func).parameters))
    if unknown:
        raise ValueError(f"Expected arguments of the network {name}, got {', '.join(unknown)}.")
    return factory


def network_factories(
    widths: Mapping[str, int],
    arguments: Mapping[str, Any],
    depth: int,
    further: Mapping[str, Mapping[str, Any] | None] | None = None,
) -> dict[str, Callable[..., nn.Module]]:
    """A factory for every network in ``widths``.

    Args:
        widths: width by the name of a network.
        arguments: as for :func:`network_factory`.
        depth: of the networks that have one (the ConvNet).
        further: networks by dotted name, each with its own arguments or None (see :class:`AdaptedNetwork`).

    Raises:
        ValueError: for an unknown name, or a further network that cannot be made for these images.

    Example:
        >>> image = {"spatial_dims": 2, "in_channels": 1, "num_classes": 3, "image_size": [8, 8]}
        >>> sorted(network_factories({"convnet": 4, "vit": 8}, image, depth=1))
        ['convnet', 'vit']
    """
    factories = {}
    for name, width in widths.items():
        factory = network_factory(name, arguments, width=width)
        has_depth = "depth" in inspect.signature(factory).parameters
        factories[name] = functools.partial(factory, depth=depth) if has_depth else factory
    for name, options in (further or {}).items():
        _require_arguments(name, options)
        factories[name] = functools.partial(AdaptedNetwork, network=name, arguments=options, **arguments)
        with temporary_global_seed(0):  # one that was named is not left out as one that does not fit
            factories[name]()
    return factories


def _require_arguments(name: str, options: Any) -> None:
    if "." not in name:
        raise ValueError(
            "Expected in cross_networks the dotted name of a class, such as monai.networks.nets.DenseNet121, got "
            f"{name}. {', '.join(available('networks'))} are given as --cross_widths#NAME WIDTH."
        )
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(
            f"Expected the arguments of {name} in cross_networks, such as {{'model_name': 'efficientnet-b0'}}, or {{}} "
            f"for none, got {options!r}."
        )
