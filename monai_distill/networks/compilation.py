"""A function through ``torch.compile``, or not."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

__all__ = ["MODES", "through_compiler"]

MODES = ("reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")  # of torch.compile, beside its default
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def through_compiler(function: Callable[Arguments, Result], how: bool | str) -> Callable[Arguments, Result]:
    """``function`` compiled anew for every shape of its arguments, or as it is.

    Args:
        function: of tensors. With CUDA graphs its results have to be used, or copied, before the next call.
        how: False for as it is; True; or a mode of ``torch.compile``, of which ``reduce-overhead`` records CUDA graphs
            on a GPU and is the same as True on a CPU.

    Raises:
        ValueError: for another word.

    Example:
        >>> through_compiler(len, False) is len
        True
    """
    if isinstance(how, str) and how not in MODES:
        raise ValueError(f"Expected true, false or one of {', '.join(MODES)} for compiling, got {how!r}.")
    if not how:
        return function
    made: Callable[Arguments, Result] = torch.compile(
        function, dynamic=False, mode=how if isinstance(how, str) else None
    )
    return made
