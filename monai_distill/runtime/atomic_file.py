"""Writing a file as a whole or not at all."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import errno
from pathlib import Path

__all__ = ["advice_for", "atomic_write"]


def atomic_write(file: Path, data: bytes) -> None:
    """Replace ``file`` by ``data`` in one step: whoever reads it finds the old content or the new, never a part.

    Raises:
        RuntimeError: when it cannot be written (a full disk, a folder for reading only); the old content stays and
            nothing else is left behind.

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
        with contextlib.suppress(OSError):  # where nothing could be written, nothing may be there to take away
            unfinished.unlink(missing_ok=True)
        raise RuntimeError(f"Cannot write {file}: {error}. {advice_for(error)} and try again.") from None


def advice_for(error: Exception) -> str:
    """What to do about a file that cannot be written: room is no remedy for a folder that may not be written to.

    Example:
        >>> advice_for(PermissionError(13, "Permission denied")), advice_for(OSError(28, "No space left on device"))
        ('Make the folder writable', 'Free some room')
    """
    closed = isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    return "Make the folder writable" if closed else "Free some room"
