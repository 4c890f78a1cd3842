"""When a layer with hand-written derivatives uses PyTorch's own operation instead."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["use_native_kernel"]

SMALL = 2**17  # elements of a batch; below, the call from Python costs more than the derivative saves


def use_native_kernel(x: Tensor, numbers: int) -> bool:
    """Whether PyTorch's operation is used: for a small batch, under tracing or compilation, and under autocast.

    Args:
        x: input of the layer.
        numbers: number of elements that its work passes over.

    Example:
        >>> use_native_kernel(torch.zeros(2, 3), 6)
        True
    """
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    if tracing or torch.compiler.is_compiling() or numbers < SMALL:
        return True
    return torch.is_autocast_enabled(x.device.type)
