"""Arrays of images on disk: written once, checked by hash, memory-mapped by every run and process of a machine."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from monai_distill.runtime.atomic_file import advice_for, atomic_write
from monai_distill.runtime.remembered import LARGE, file_stamp, remembered, user_cache

__all__ = ["MEMORY_SHARE", "cached_array", "default_cache_dir", "stored_checksum"]

MEMORY_SHARE = 4  # images may take a quarter of the machine's memory
BLOCK = 16 * 2**20  # bytes that are hashed at a time
logger = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """The folder below the user's cache folder (``XDG_CACHE_HOME``, else ``~/.cache``) for images."""
    return user_cache() / "images"


def cached_array(
    folder: str | Path,
    job: Mapping[str, Any],
    shape: Sequence[int],
    dtype: np.dtype[Any],
    fill: Callable[[np.ndarray[Any, Any]], None],
) -> np.memmap[Any, Any]:
    """The array of ``job``, memory-mapped; ``fill`` writes it if it is not cached.

    The array lies in ``folder`` as ``HASH.npy`` with ``HASH.json`` next to it, which holds the job and the SHA-256 of
    the values. The array is written again if ``HASH.json`` is missing or does not match, so the remains of an
    interrupted write are never read. A large file is read again for its SHA-256 only if it changed since the last time.
    One process writes; others that need the same array wait for it.

    Args:
        folder: created if missing.
        job: the settings that decide the values, as plain JSON values.
        shape: shape of the array.
        dtype: type of the array.
        fill: function that writes the values into an array.

    Raises:
        RuntimeError: if the disk is too small, or the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> folder, ones = tempfile.mkdtemp(), lambda array: array.fill(1)
        >>> int(cached_array(folder, {"source": "a"}, (2, 2), np.dtype("uint8"), ones).sum())
        4
        >>> int(cached_array(folder, {"source": "a"}, (2, 2), np.dtype("uint8"), lambda array: array.fill(9)).sum())
        4
    """
    folder = Path(folder)
    content = {"job": dict(job), "shape": list(shape), "dtype": np.dtype(dtype).str}
    text = json.dumps(content, sort_keys=True)
    file = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            if not _is_valid(file, content):
                _write(file, content, fill)
    except OSError as error:
        raise RuntimeError(f"Cannot write {file}: {error}. {advice_for(error)}, or give another --cache_dir.") from None
    array: np.memmap[Any, Any] = np.load(file, mmap_mode="c")  # torch has no read-only tensors
    return array


def _is_valid(file: Path, content: Mapping[str, Any]) -> bool:
    note = file.with_suffix(".json")
    if not (file.is_file() and note.is_file()):
        return False
    try:
        stored = json.loads(note.read_text())
        array = np.load(file, mmap_mode="r")
    except (ValueError, OSError) as error:
        logger.warning("%s is damaged (%s) and is written again.", file, error)
        return False
    if {key: stored.get(key) for key in content} != json.loads(json.dumps(content)):
        return False
    if stored.get("sha256") != _checksum_of_file(file, array):
        logger.warning("%s does not hold what was written (its SHA-256 differs) and is written again.", file)
        return False
    return True


def _write(file: Path, content: Mapping[str, Any], fill: Callable[[np.ndarray[Any, Any]], None]) -> None:
    shape, dtype = tuple(content["shape"]), np.dtype(content["dtype"])
    needed = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    free = shutil.disk_usage(file.parent).free
    if needed > free:
        raise RuntimeError(
            f"Expected {needed / 2**30:.1f} GiB of free disk in {file.parent} for the images, got {free / 2**30:.1f} "
            "GiB. Free some room, or give a folder on another disk as --cache_dir."
        )
    logger.info("Writing %.1f GiB of images to %s, once; later runs read them.", needed / 2**30, file)
    file.with_suffix(".json").unlink(missing_ok=True)
    unfinished = file.with_suffix(".part")
    try:
        array = np.lib.format.open_memmap(unfinished, mode="w+", dtype=dtype, shape=shape)
        if hasattr(os, "posix_fallocate"):  # without it, writing to a full disk through a mapping ends the process
            with unfinished.open("r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, unfinished.stat().st_size)
        fill(array)
        array.flush()
        note = {**content, "sha256": _checksum(array)}
        del array
        unfinished.replace(file)
    except BaseException as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise RuntimeError(
                f"The disk of {file.parent} is full: the images need {needed / 2**30:.1f} GiB. Free some room, or give "
                "a folder on another disk as --cache_dir."
            ) from None
        raise
    atomic_write(file.with_suffix(".json"), json.dumps(note).encode())


def stored_checksum(array: np.memmap[Any, Any]) -> str:
    """The SHA-256 of the values of a cached array, as it was checked when the array was opened."""
    return str(json.loads(Path(str(array.filename)).with_suffix(".json").read_text())["sha256"])


def _checksum_of_file(file: Path, array: np.ndarray[Any, Any]) -> str:
    """The SHA-256 of the values, computed once for a large file that does not change."""
    stamp = file_stamp(file) if array.nbytes >= LARGE else None
    if stamp is None:
        return _checksum(array)
    return str(remembered({"array": stamp}, lambda: _checksum(array)))


def _checksum(array: np.ndarray[Any, Any]) -> str:
    digest = hashlib.sha256()
    flat = array.reshape(-1)
    step = max(BLOCK // array.itemsize, 1)
    for low in range(0, len(flat), step):
        digest.update(np.ascontiguousarray(flat[low : low + step]).data)
    return digest.hexdigest()
