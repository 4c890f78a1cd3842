"""When a layer with hand-written derivatives uses PyTorch's own operation instead."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import Tensor
from torch.autograd import Function

__all__ = ["second_derivative_follows", "use_native_kernel", "with_stored_signature"]

SMALL = 2**17  # elements of a batch; below, the call from Python costs more than the derivative saves
CALLED = ("cpu",)  # devices on which an operation costs no more than its call
Made = TypeVar("Made", bound=type[Function])
_second: ContextVar[bool] = ContextVar("a second derivative follows", default=False)


@contextlib.contextmanager
def second_derivative_follows() -> Iterator[None]:
    """A block whose gradients are differentiated again: layers choose the derivative that is best then.

    Example:
        >>> with second_derivative_follows():  # on a CPU a small batch is left to PyTorch here as well
        ...     use_native_kernel(torch.zeros(2, 3), 6, few_operations=True)
        True
    """
    token = _second.set(True)
    try:
        yield
    finally:
        _second.reset(token)


def use_native_kernel(x: Tensor, numbers: int, *, few_operations: bool = False) -> bool:
    """Whether PyTorch's operation is used: for a small batch, under tracing or compilation, and under autocast.

    Args:
        x: input of the layer.
        numbers: number of elements that its work passes over.
        few_operations: the layer's second derivative takes so few operations that it is used for a small batch as well,
            on a device that is called for each, and where that derivative follows (see
            :func:`second_derivative_follows`). A CPU takes as long or, by up to a tenth, longer. Under a function
            transform it is not used: ``vmap`` takes a millisecond for every call of it.

    Example:
        >>> use_native_kernel(torch.zeros(2, 3), 6)
        True
    """
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    if tracing or torch.compiler.is_compiling():
        return True
    if numbers < SMALL and not (few_operations and _operations_decide(x)):
        return True
    return torch.is_autocast_enabled(x.device.type)


def _operations_decide(x: Tensor) -> bool:
    return x.device.type not in CALLED and _second.get() and not torch._C._are_functorch_transforms_active()


def with_stored_signature(function: Made) -> Made:
    """The same autograd function, whose ``apply`` does not inspect the signature of ``forward`` in every call.

    PyTorch does, to fill in default values, which takes a fifth of a small layer's time. ``inspect.signature`` returns
    a stored signature where there is one.

    Example:
        >>> class Twice(Function):
        ...     @staticmethod
        ...     def forward(x):
        ...         return 2 * x
        >>> with_stored_signature(Twice).forward.__signature__
        <Signature (x)>
    """
    forward = function.forward
    forward.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    return function
