"""Tensors on disk under a hash of all that decides them, so that runs share what takes long to make."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from monai_distill.whole_file import write_whole

from .job_folder import job_folder

__all__ = ["TensorCache"]


class TensorCache:
    """Makes a tensor the first time that a job is asked for, and reads it from a file every later time.

    Args:
        folder: shared between runs, made when absent; None keeps nothing.

    Example:
        >>> import tempfile, torch
        >>> cache = TensorCache(tempfile.mkdtemp())
        >>> cache({"seed": 0}, lambda: torch.ones(2)), cache({"seed": 0}, lambda: torch.zeros(2))
        (tensor([1., 1.]), tensor([1., 1.]))
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def __call__(self, job: Mapping[str, Any], make: Callable[[], Tensor]) -> Tensor:
        """The tensor of ``job``, on the CPU.

        Args:
            job: everything that decides the tensor, as plain JSON values.
            make: called when no run made it before.

        Raises:
            RuntimeError: when the file is damaged, of another job, or cannot be written.
        """
        if self.folder is None:
            return make().detach().cpu()
        file = job_folder(self.folder, job).with_suffix(".safetensors")
        text = json.dumps(job, sort_keys=True)
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            made = make().detach().cpu().contiguous()
            write_whole(file, save({"values": made}, {"job": text}))
            return made
        try:
            with safe_open(file, "pt") as content:
                found = content.metadata()["job"]
                values: Tensor = content.get_tensor("values")
        except (SafetensorError, KeyError, TypeError) as error:
            raise RuntimeError(f"{file} is damaged ({error}). Delete it: it is made anew when needed.") from error
        if found != text:
            raise RuntimeError(f"Expected {file} to be of the job that it is named after, got another. Delete it.")
        return values
