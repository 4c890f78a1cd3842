"""The group of a job's processes: joining under torchrun, leaving, ranks, and even shares of the work."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import os

import ignite.distributed as idist
import torch
import torch.distributed as dist

__all__ = [
    "count",
    "default_device",
    "even_share",
    "is_first",
    "is_follower",
    "join",
    "launched",
    "leave",
    "local_device",
    "rank",
    "require_single_process",
]

# The others wait while the first validates or scores, however long that takes; torchrun ends them if it dies.
PATIENCE = datetime.timedelta(days=7)


def join(device: torch.device | str | None = None) -> None:
    """Join the other processes that torchrun started; without torchrun, or if already joined, nothing happens.

    GPUs communicate by nccl, CPUs by gloo. On a machine with GPUs, ``cuda`` then means the GPU of this process's local
    rank.

    Args:
        device: the device of the job, which is checked.

    Raises:
        ValueError: if there are more processes on a machine than GPUs, or ``device`` is another process's GPU or does
            not exist.

    Example:
        >>> join("cpu")
        >>> count(), rank(), is_first()
        (1, 0, True)
    """
    local = int(os.environ["LOCAL_RANK"]) if launched() > 1 else None
    if local is not None and device is not None and torch.device(device).index not in (None, local):
        raise ValueError(
            f"Expected the device cpu, cuda or cuda:{local} in the process of local rank {local}, got {device}. Leave "
            "out --device: every process takes its own GPU."
        )
    if device is not None:
        _require_device(device)
    if local is None or dist.is_initialized():
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
    idist.sync()  # otherwise ignite does it on its first use, which all processes would have to reach


def _require_device(device: torch.device | str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: PyTorch without CUDA
        reason = " ".join(str(error).split()).split(". ")[0]
        raise ValueError(
            f"Expected a device of this machine (cpu, cuda or cuda:N), got {str(device)!r}: {reason}. Leave out "
            "--device, or give --device cpu."
        ) from error


def leave() -> None:
    """Wait for all processes, then leave the group; in a single process nothing happens.

    Example:
        >>> leave()
    """
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(torch.zeros(1))  # on the CPU, where only PATIENCE limits the wait
        idist.finalize()


def count() -> int:
    """The number of processes of the job.

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
    """Whether this is the first process, which writes files and scores.

    Example:
        >>> is_first()
        True
    """
    return rank() == 0


def even_share(total: int, name: str) -> int:
    """The share of ``total`` that each process does.

    Args:
        total: number for all processes.
        name: name of the setting, for the error.

    Raises:
        ValueError: if it is below 1, or does not divide evenly.

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


def require_single_process(what: str) -> None:
    """Refuse a job of several processes.

    Args:
        what: the work that cannot be divided, for the error.

    Raises:
        RuntimeError: in a job of several processes: each would do all the work and write the same files.

    Example:
        >>> require_single_process("The audit")
    """
    several = max(launched(), count())
    if several > 1:
        raise RuntimeError(f"{what} cannot be divided over processes, got {several}. Start it without torchrun.")


def is_follower() -> bool:
    """Whether this process leaves validation, scores and files to the first one.

    Example:
        >>> is_follower()
        False
    """
    return not is_first()


def launched() -> int:
    """How many processes torchrun started, whether or not they have met.

    Example:
        >>> launched()
        1
    """
    return int(os.environ.get("WORLD_SIZE", "1")) if dist.is_available() and dist.is_torchelastic_launched() else 1


def default_device() -> str:
    """``cuda`` where there is a GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def local_device() -> str:
    """The GPU of this process's local rank under torchrun; ``cpu`` on a machine without GPUs."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else "cpu"
