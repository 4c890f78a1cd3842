"""The processes of a job under torchrun: who is the first, what all add up, what one tells the others."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import ignite.distributed as idist
import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "anywhere",
    "copy_from_first",
    "count",
    "even_share",
    "from_first",
    "is_first",
    "join",
    "leave",
    "means",
    "rank",
    "refuse_several",
    "seen_by_all",
    "sums",
    "to_first",
]

Value = TypeVar("Value")
CPU = torch.device("cpu")
# The others wait while the first validates or scores, however long that takes; torchrun ends them when it dies.
PATIENCE = datetime.timedelta(days=7)


def join(device: torch.device | str | None = None) -> None:
    """Meet the other processes that torchrun started; nothing without torchrun, for a single process, or when done.

    GPUs talk by nccl, CPUs by gloo. On a machine with GPUs ``cuda`` is from then on the one of this process's local
    rank.

    Args:
        device: what the job will compute on, to be checked against that.

    Raises:
        ValueError: when there are more processes on a machine than GPUs, or ``device`` is another process's GPU.

    Example:
        >>> join("cpu")
        >>> count(), rank(), is_first()
        (1, 0, True)
    """
    if _launched() == 1:
        return
    local = int(os.environ["LOCAL_RANK"])
    if device is not None and torch.device(device).index not in (None, local):
        raise ValueError(
            f"Expected the device cpu, cuda or cuda:{local} in the process of local rank {local}, got {device}. Leave "
            "out --device: every process takes a GPU of its own."
        )
    if dist.is_initialized():
        return
    if torch.cuda.is_available():
        gpus = torch.cuda.device_count()
        if local >= gpus:
            raise ValueError(
                f"Expected at most {gpus} processes on a machine of {gpus} GPUs, got local rank {local}. Lower "
                "--nproc_per_node; or hide the GPUs (CUDA_VISIBLE_DEVICES=) to compute on CPUs."
            )
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    idist.sync()  # else ignite does it when first asked, which all processes have to do together


def leave() -> None:
    """Wait until all processes are here, then part; nothing in a single process.

    Example:
        >>> leave()
    """
    if dist.is_available() and dist.is_initialized():
        anywhere(torch.tensor(False))
        idist.finalize()


def count() -> int:
    """How many processes share the job.

    Example:
        >>> count()
        1
    """
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0.

    Example:
        >>> rank()
        0
    """
    return dist.get_rank() if count() > 1 else 0


def is_first() -> bool:
    """Whether this process is the one that writes files and scores.

    Example:
        >>> is_first()
        True
    """
    return rank() == 0


def even_share(total: int, name: str) -> int:
    """How many of ``total`` each process does.

    Args:
        total: of all processes together.
        name: of the setting, for the error.

    Raises:
        ValueError: when it is below 1, or the processes cannot have equally many.

    Example:
        >>> even_share(4, "segments_per_step")
        4
    """
    share, rest = divmod(total, count())
    if share < 1 or rest:
        raise ValueError(
            f"Expected {name} to be a multiple of the number of processes, {count()}, got {total}. Give --{name} "
            f"{(share + 1) * count()}."
        )
    return share


def refuse_several(what: str) -> None:
    """Do nothing in the only process of a job.

    Args:
        what: does not know how to share its work, for the error.

    Raises:
        RuntimeError: in a job of several processes: each would do all the work, and write the same files.

    Example:
        >>> refuse_several("The audit")
    """
    several = max(_launched(), count())
    if several > 1:
        raise RuntimeError(f"{what} is not spread over processes, got {several}. Start it without torchrun.")


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


def _launched() -> int:
    """The processes that torchrun started, whether or not they have met."""
    return int(os.environ.get("WORLD_SIZE", "1")) if dist.is_available() and dist.is_torchelastic_launched() else 1
