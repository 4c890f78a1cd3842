"""Collective calls of a job's processes: sums, means, values from the first process and to it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .group import count, is_first, rank

__all__ = ["anywhere", "copy_from_first", "from_first", "means", "seen_by_all", "sums", "to_first"]

Value = TypeVar("Value")
CPU = torch.device("cpu")


def sums(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Add up every tensor over the processes, in one transfer and to the same bits everywhere; no gradient passes.

    Args:
        tensors: the same shapes in every process.

    Example:
        >>> sums([torch.ones(2)])
        [tensor([1., 1.])]
    """
    if count() == 1:
        return list(tensors)
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    totals = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [total.reshape(old.shape).to(old.dtype) for total, old in zip(totals, tensors, strict=True)]


def means(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Average every tensor over the processes; see :func:`sums`.

    Example:
        >>> means([torch.ones(2)])
        [tensor([1., 1.])]
    """
    return list(tensors) if count() == 1 else [total / count() for total in sums(tensors)]


def anywhere(flags: Tensor) -> Tensor:
    """Whether a flag is set in any process, element by element; bool tensors of one shape.

    Example:
        >>> bool(anywhere(torch.tensor(True)))
        True
    """
    if count() == 1:
        return flags
    numbers = flags.to(torch.uint8)
    dist.all_reduce(numbers, dist.ReduceOp.MAX)
    return numbers.bool()


def copy_from_first(tensors: Iterable[Tensor]) -> None:
    """Overwrite every tensor with the first process's.

    Example:
        >>> copy_from_first([torch.ones(2)])
    """
    if count() > 1:
        for tensor in tensors:
            dist.broadcast(tensor.detach(), src=0)


def from_first(make: Callable[[], Value]) -> Value:
    """Call ``make`` in the first process and return its result in all; all wait, and if it fails, all fail.

    Args:
        make: its result is pickled for the other processes.

    Raises:
        RuntimeError: in the other processes, if the first one failed.

    Example:
        >>> from_first(lambda: 3)
        3
    """
    if count() == 1:
        return make()
    answer: list[Any] = [None, None]
    failure: Exception | None = None
    if is_first():
        try:
            answer[0] = make()
        except Exception as error:  # any error: the others must learn of it before it is raised
            failure, answer = error, [None, str(error) or type(error).__name__]
    dist.broadcast_object_list(answer, src=0, device=CPU)
    if failure is not None:
        raise failure
    if answer[1] is not None:
        raise RuntimeError(f"The first process failed: {answer[1]}")
    value: Value = answer[0]
    return value


def to_first(value: Value | None, sender: int) -> Value | None:
    """Send ``value`` from the process ``sender`` to the first, where it is returned; the others get None.

    Only these two processes need to call it.

    Args:
        value: is pickled.
        sender: number of the process that sends it.

    Example:
        >>> to_first("value", 0)
        'value'
    """
    if sender == 0:
        return value if is_first() else None
    message: list[Any] = [value]
    if is_first():
        dist.recv_object_list(message, src=sender, device=CPU)
        return message[0]  # type: ignore[no-any-return]
    if rank() == sender:
        dist.send_object_list(message, dst=0, device=CPU)
    return None


def seen_by_all(folder: Path) -> bool:
    """Whether every process sees the files that the first one writes into ``folder`` (shared storage).

    Example:
        >>> import tempfile
        >>> seen_by_all(Path(tempfile.mkdtemp()))
        True
    """
    if count() == 1:
        return True
    file = folder / from_first(lambda: f".seen_{uuid.uuid4().hex}")
    from_first(lambda: file.write_bytes(b""))
    hidden = bool(anywhere(torch.tensor(not file.exists())))
    from_first(lambda: file.unlink())
    return not hidden
