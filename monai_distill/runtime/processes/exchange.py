"""What the processes of a job tell each other: sums, the first one's word, what one hands to the first."""

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
    """Every tensor added up over the processes, in one transfer and to the same bits everywhere; no gradient passes.

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
    pieces = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [piece.reshape(old.shape).to(old.dtype) for piece, old in zip(pieces, tensors, strict=True)]


def means(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Every tensor averaged over the processes; see :func:`sums`.

    Example:
        >>> means([torch.ones(2)])
        [tensor([1., 1.])]
    """
    return list(tensors) if count() == 1 else [total / count() for total in sums(tensors)]


def anywhere(flags: Tensor) -> Tensor:
    """Where a flag is set in any process: bool tensors of one shape.

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
    """Overwrite every tensor by the first process's.

    Example:
        >>> copy_from_first([torch.ones(2)])
    """
    if count() > 1:
        for tensor in tensors:
            dist.broadcast(tensor.detach(), src=0)


def from_first(make: Callable[[], Value]) -> Value:
    """What ``make`` returns in the first process, which alone calls it; all wait, and its failure is everyone's.

    Args:
        make: what it returns is pickled for the others.

    Raises:
        RuntimeError: in the other processes, when the first one failed.

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
        except Exception as error:  # whatever it is, the others must hear of it before it goes on
            failure, answer = error, [None, str(error) or type(error).__name__]
    dist.broadcast_object_list(answer, src=0, device=CPU)
    if failure is not None:
        raise failure
    if answer[1] is not None:
        raise RuntimeError(f"The first process failed: {answer[1]}")
    value: Value = answer[0]
    return value


def to_first(value: Value | None, sender: int) -> Value | None:
    """What the process ``sender`` holds, in the first one; None in every other. Only these two need to call it.

    Args:
        value: pickled on the way.
        sender: number of the process that has it.

    Example:
        >>> to_first("kept", 0)
        'kept'
    """
    if sender == 0:
        return value if is_first() else None
    parcel: list[Any] = [value]
    if is_first():
        dist.recv_object_list(parcel, src=sender, device=CPU)
        return parcel[0]  # type: ignore[no-any-return]
    if rank() == sender:
        dist.send_object_list(parcel, dst=0, device=CPU)
    return None


def seen_by_all(folder: Path) -> bool:
    """Whether every process sees what the first one writes into ``folder``: one disk, or storage that machines share.

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
