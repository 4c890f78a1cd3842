"""The same architecture with another normalisation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

from torch import nn

__all__ = ["with_norm"]


def with_norm(factory: Callable[..., nn.Module], norm: str | None) -> Callable[..., nn.Module]:
    """``factory`` with its ``norm`` argument set; None leaves it as it is.

    Raises:
        ValueError: when the network has no such argument.

    Example:
        >>> from monai_distill.networks import ConvNet
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
