"""Real images put out of reach while something runs that must not see them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

from monai_distill.data import ClassBank

__all__ = ["run_sealed"]


def run_sealed(function: Callable[[], object], banks: Sequence[ClassBank]) -> None:
    """Call ``function`` while the images of ``banks`` are NaN and their labels -1, for whoever refers to them.

    Whatever would be computed from a real image is then not finite, on which the ``Distiller`` stops: that no real
    image is touched is so enforced and not promised. The images come back in the end.

    Raises:
        RuntimeError: when the sealed tensors were written to.

    Example:
        >>> import torch
        >>> bank, seen = ClassBank(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a"]), []
        >>> run_sealed(lambda: seen.append(float(bank.images.sum())), [bank])
        >>> seen, float(bank.images.sum())
        ([nan], 4.0)
    """
    tensors = [(tensor, tensor.clone()) for bank in banks for tensor in (bank.images, bank.labels)]
    for tensor, _ in tensors:
        tensor.fill_(float("nan") if tensor.is_floating_point() else -1)
    try:
        function()
        if not all(bool((t.isnan() if t.is_floating_point() else t == -1).all()) for t, _ in tensors):
            raise RuntimeError("The sealed images were written to. Nothing may touch them while they are sealed.")
    finally:
        for tensor, value in tensors:
            tensor.copy_(value)
