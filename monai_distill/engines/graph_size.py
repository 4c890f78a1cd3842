"""How much memory the graph of a computation holds."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["graph_bytes"]


def graph_bytes(computation: Callable[[], object]) -> int:
    """Bytes of the tensors that autograd keeps for the backward pass of ``computation``, each storage counted once.

    The figure depends on the computation alone, not on what else is in memory, so a choice made from it can be
    repeated.

    Example:
        >>> weight = torch.ones(1000, requires_grad=True)
        >>> graph_bytes(lambda: (weight * torch.ones(1000)).sum()) >= 4000
        True
    """
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        kept = computation()  # alive until counted: a freed storage could come again under its address
    total = sum(storages.values())
    del kept
    return total
