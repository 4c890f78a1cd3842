"""Floating-point operations and calls of a piece of work, for forecasts on another machine."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["Unit", "counted"]


@dataclasses.dataclass(frozen=True)
class Unit:
    """The cost of one unit of work: wall and CPU seconds, floating-point operations, calls of an operator.

    Example:
        >>> (Unit(1.0, 2.0) * 3).cpu, (Unit(1.0, 2.0) + Unit(1.0, 1.0)).cpu
        (6.0, 3.0)
    """

    wall: float
    cpu: float
    flops: float = 0.0
    calls: float = 0.0

    def __mul__(self, count: float) -> Unit:
        return Unit(self.wall * count, self.cpu * count, self.flops * count, self.calls * count)

    def in_larger_batches(self, factor: float) -> Unit:
        """The cost where a batch is ``factor`` times as large: as many calls, each of which computes more.

        Example:
            >>> Unit(1.0, 1.0, 5.0, 7.0).in_larger_batches(2.0)
            Unit(wall=2.0, cpu=2.0, flops=10.0, calls=7.0)
        """
        return dataclasses.replace(self * factor, calls=self.calls)

    def __add__(self, other: Unit) -> Unit:
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Unit(*(a + b for a, b in pairs))


def counted(work: Callable[[], object], units: float) -> Unit:
    """Floating-point operations and operator calls of ``work``, per unit; no time.

    Example:
        >>> import torch
        >>> a = torch.ones(2, 3)
        >>> counted(lambda: a @ a.T, 1).flops
        24.0
    """
    with _Counter() as counter:
        work()
    return Unit(0.0, 0.0, counter.flops / units, counter.calls / units)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators that compute something, and their operations by PyTorch's own formulas.

    PyTorch's ``FlopCounterMode`` also follows modules by hooks, with which no gradient of an image can be computed.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls, self.flops = 0, 0.0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.calls += not function.is_view
        formula = flop_registry.get(function.overloadpacket)
        self.flops += 0 if formula is None else formula(*args, **(kwargs or {}), out_val=result)
        return result
