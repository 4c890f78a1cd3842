"""A guard for loops that are not spread over processes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

__all__ = ["refuse_several_processes"]


def refuse_several_processes() -> None:
    """Do nothing in the only process of a job.

    Raises:
        RuntimeError: in a job of several processes: each would do all the work, and write the same files.

    Example:
        >>> refuse_several_processes()
    """
    grouped = torch.distributed.is_available() and torch.distributed.is_initialized()
    count = torch.distributed.get_world_size() if grouped else 1
    if count > 1:
        raise RuntimeError(
            f"Expected one process, got {count}: the loops are not spread over processes yet. Start torchrun with "
            "--nproc_per_node=1, or one run per GPU with --device cuda:N and its own --output_dir."
        )
