"""Atomic writes: a file is replaced completely or not at all."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import errno
from pathlib import Path

__all__ = ["advice_for", "atomic_write"]


def atomic_write(file: Path, data: bytes) -> None:
    """Replace the content of ``file`` by ``data`` in one step: a reader sees the old content or the new one.

    Raises:
        RuntimeError: if it cannot be written (a full disk, a read-only folder); the old content remains, and no
            partial file is left.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "scores.json"
        >>> atomic_write(file, b"{}")
        >>> file.read_text()
        '{}'
    """
    unfinished = file.with_name(file.name + ".part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):  # if nothing could be written, there may be no file to remove
            unfinished.unlink(missing_ok=True)
        raise RuntimeError(f"Cannot write {file}: {error}. {advice_for(error)} and try again.") from None


def advice_for(error: Exception) -> str:
    """Advice for a file that cannot be written: permissions, or disk space.

    Example:
        >>> advice_for(PermissionError(13, "Permission denied")), advice_for(OSError(28, "No space left on device"))
        ('Make the folder writable', 'Free some disk space')
    """
    read_only = isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    return "Make the folder writable" if read_only else "Free some disk space"
