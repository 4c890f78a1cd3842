"""When the layers whose derivatives are written out here leave their work to PyTorch's own operation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["use_native_kernel"]

SMALL = 2**17  # numbers of a batch: below, calling Python costs more than a written derivative saves


def use_native_kernel(x: Tensor, numbers: int) -> bool:
    """Whether PyTorch's own is used: a small batch, a program being made, types that PyTorch chooses.

    Args:
        x: what the layer sees.
        numbers: how many numbers its work goes over.

    Example:
        >>> use_native_kernel(torch.zeros(2, 3), 6)
        True
    """
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    if tracing or torch.compiler.is_compiling() or numbers < SMALL:
        return True
    return torch.is_autocast_enabled(x.device.type)
