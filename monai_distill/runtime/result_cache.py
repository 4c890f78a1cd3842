"""Results that take long to compute, stored under everything that decides them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from monai_distill import __version__

from .atomic_file import atomic_write

__all__ = ["CachedResult", "ResultCache", "default_shared_folder", "job_path"]


def default_shared_folder() -> Path:
    """The folder below the user's cache folder (``XDG_CACHE_HOME``, else ``~/.cache``) for results that runs share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monai_distill" / "controls"


class CachedResult(NamedTuple):
    """A tensor on the CPU and the seconds that computing it took.

    Example:
        >>> import torch
        >>> CachedResult(torch.ones(2), 0.5).seconds
        0.5
    """

    values: Tensor
    seconds: float


class ResultCache:
    """Computes a tensor once per job and reads it from a file afterwards.

    The file is named by a hash of the job and of the versions of torch, MONAI and this package. Runs that share the
    folder share results, other settings never get them, and an interrupted evaluation continues where it stopped.

    Args:
        folder: made when absent; None stores nothing.
        shared: a second folder, of the machine's user, whose results are copied to ``folder`` where the caller allows
            it; None for none.

    Example:
        >>> import tempfile, torch
        >>> cache = ResultCache(tempfile.mkdtemp())
        >>> cache({"seed": 0}, lambda: torch.ones(2)).values, cache({"seed": 0}, lambda: torch.zeros(2)).values
        (tensor([1., 1.]), tensor([1., 1.]))
    """

    def __init__(self, folder: str | Path | None, shared: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.shared = None if shared is None else Path(shared)

    def __call__(self, job: Mapping[str, Any], compute: Callable[[], Tensor], *, share: bool = False) -> CachedResult:
        """The result of ``job``.

        Args:
            job: everything that decides the tensor, as plain JSON values.
            compute: called when no result is stored.
            share: whether the result may come from the shared folder and is stored there too.

        Raises:
            RuntimeError: if the file is damaged, belongs to another job, or cannot be written.
        """
        if self.folder is None:
            return _timed(compute)
        job = {**job, "versions": _package_versions()}
        file = job_path(self.folder, job).with_suffix(".safetensors")
        text = json.dumps(job, sort_keys=True)
        other = self.shared / file.name if self.shared is not None and share else None
        if not file.exists() and other is not None and other.exists():
            result = _stored(other, text)
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(other, file)
            return result
        if not file.exists():
            result = _timed(compute)
            self.folder.mkdir(parents=True, exist_ok=True)
            metadata = {"job": text, "seconds": repr(result.seconds)}
            content = save({"values": result.values.contiguous()}, metadata)
            atomic_write(file, content)
            if other is not None:
                _store_shared(other, content)
            return result
        return _stored(file, text)


def _stored(file: Path, job: str) -> CachedResult:
    try:
        with safe_open(file, "pt") as content:
            metadata = content.metadata()
            result = CachedResult(content.get_tensor("values"), float(metadata["seconds"]))
            stored = metadata["job"]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RuntimeError(f"{file} is damaged ({error}). Delete it: it is computed again when needed.") from error
    if stored != job:
        raise RuntimeError(f"Expected {file} to hold the job that it is named after, got another. Delete it.")
    return result


def _store_shared(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, content)
    except (OSError, RuntimeError) as error:  # the result lies in the run's own folder
        warnings.warn(
            f"Later runs cannot use this result: {error} --shared_controls null shares nothing.", stacklevel=3
        )


def _timed(compute: Callable[[], Tensor]) -> CachedResult:
    began = time.perf_counter()
    values = compute().detach().cpu()
    return CachedResult(values, time.perf_counter() - began)


def _package_versions() -> dict[str, str]:
    return {"monai_distill": __version__, **{name: importlib.metadata.version(name) for name in ("torch", "monai")}}


def job_path(root: str | Path, job: Mapping[str, Any]) -> Path:
    """The path below ``root`` for the results of ``job``: equal jobs share it, different ones never do.

    Args:
        root: the folder that several runs share.
        job: everything that decides the results, as plain JSON values; the order of its keys does not matter.

    Example:
        >>> job_path("experts", {"seed": 0, "width": 4}) == job_path("experts", {"width": 4, "seed": 0})
        True
    """
    text = json.dumps(job, sort_keys=True)
    return Path(root) / hashlib.sha256(text.encode()).hexdigest()[:16]
