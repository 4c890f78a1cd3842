"""A memory-mapped file of images that is read for the whole of a run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MappedFile"]

MAPPED_BYTES = 256 * 2**20  # that are read before pages are released


class MappedFile:
    """Notices that the file behind a memory-mapped array is written to, and releases pages that were read.

    Args:
        array: memory-mapped.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> np.save(path, np.zeros(3))
        >>> MappedFile(np.load(path, mmap_mode="c")).count_read(24)
    """

    def __init__(self, array: np.memmap[Any, Any]) -> None:
        self.array = array
        self._opened = self._state()
        self._read_bytes = 0

    def require_unchanged(self) -> None:
        """Do nothing while the mapping holds the file as it was opened.

        Raises:
            RuntimeError: if the file was written to since.
        """
        before, now = self._opened, self._state()
        # a file that takes the place of another has another inode, and the mapping holds the old one
        if before is not None and now is not None and before[0] == now[0] and before != now:
            raise RuntimeError(
                f"Expected {self.array.filename} as it was opened, got a file that was written to since: its images "
                "may be others now. Leave data in place while a run reads them, and start the run again."
            )

    def count_read(self, count: int) -> None:
        """Count bytes, and release the file's pages after every 256 MiB; the system caches them while memory allows."""
        self._read_bytes += count
        if self._read_bytes > MAPPED_BYTES:
            handle = getattr(self.array, "_mmap", None)
            if handle is not None and hasattr(mmap, "MADV_DONTNEED"):
                handle.madvise(mmap.MADV_DONTNEED)
            self._read_bytes = 0

    def _state(self) -> tuple[int, int, int] | None:
        """Inode, size and time of change; None for a mapping without a file and for a file that was removed."""
        try:
            state = Path(str(self.array.filename)).stat()
        except FileNotFoundError:  # the mapping holds what the file held
            return None
        return state.st_ino, state.st_size, state.st_mtime_ns
