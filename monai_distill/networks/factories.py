"""Network factories as configurations that can be stored and compared."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from .flat_network import FlatNetwork

__all__ = ["factory_config", "parameter_shapes", "with_norm"]


def with_norm(factory: Callable[..., nn.Module], norm: str | None) -> Callable[..., nn.Module]:
    """``factory`` with its ``norm`` argument set; None changes nothing.

    Raises:
        ValueError: if the network has no such argument.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> build = with_norm(functools.partial(ConvNet, 2, 1, 3, 8, width=4, depth=1), "batch")
        >>> type(build().features.norm0).__name__
        'BatchNorm2d'
    """
    if norm is None:
        return factory
    if "norm" not in inspect.signature(factory).parameters:
        name = getattr(getattr(factory, "func", factory), "__name__", repr(factory))
        raise ValueError(f"Expected a network with an argument norm to set to {norm!r}, got {name}. Set it to null.")
    return functools.partial(factory, norm=norm)


def factory_config(factory: Callable[..., nn.Module]) -> dict[str, Any]:
    """The MONAI config (``_target_`` and arguments, plain JSON values) that builds the same network as ``factory``.

    Args:
        factory: a ``functools.partial`` of a class or function with keyword arguments; ``_mode_: callable`` in a config
            makes one.

    Raises:
        TypeError: if it is another kind of callable, whose arguments cannot be read.

    Example:
        >>> factory_config(functools.partial(nn.Linear, in_features=4, out_features=2))
        {'_target_': 'torch.nn.modules.linear.Linear', 'in_features': 4, 'out_features': 2}
    """
    if not isinstance(factory, functools.partial) or factory.args:
        raise TypeError(
            f"Expected functools.partial(Network, name=value, ...), got {factory!r}. In a config use _mode_: callable."
        )
    arguments = {name: list(value) if isinstance(value, tuple) else value for name, value in factory.keywords.items()}
    return {"_target_": f"{factory.func.__module__}.{factory.func.__qualname__}", **arguments}


def parameter_shapes(network: FlatNetwork) -> dict[str, list[int]]:
    """Shape by name of every parameter, in the order of the flat vector.

    Example:
        >>> parameter_shapes(FlatNetwork(lambda: nn.Linear(4, 2)))
        {'weight': [2, 4], 'bias': [2]}
    """
    return {name: list(shape) for name, shape in zip(network.names, network.shapes, strict=True)}
