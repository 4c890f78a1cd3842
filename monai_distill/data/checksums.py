"""Checksums of data files, computed once per file and process."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import hashlib
from pathlib import Path

__all__ = ["file_checksum"]


def file_checksum(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file; three sections of one file in one process hash it once.

    Args:
        path: the file.
        algorithm: a name that :mod:`hashlib` knows, such as ``"sha256"`` or ``"md5"``.

    Example:
        >>> len(file_checksum(Path(__file__)))
        64
    """
    stat = path.stat()
    return _digest(str(path.resolve()), stat.st_size, stat.st_mtime_ns, algorithm)


@functools.lru_cache(maxsize=256)
def _digest(path: str, _size: int, _changed: int, algorithm: str) -> str:
    # the size and the time of change are part of the key, so that a file that was replaced is hashed again
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
