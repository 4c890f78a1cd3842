"""Values that follow from a large file, stored so that later runs need not read the file again."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .atomic_file import atomic_write

__all__ = ["LARGE", "file_stamp", "remembered", "user_cache"]

LARGE = 64 * 2**20  # bytes from which a value is worth storing
RECENT = 2.0  # seconds in which a file may change again without a later time of change


def user_cache() -> Path:
    """The folder of this package below the user's cache folder (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monai_distill"


def file_stamp(path: Path) -> list[Any] | None:
    """Place, size, times of change and inode of a file; None for one that changed a moment ago.

    The time of the last change of status is among them. No program sets it, so that a file that was replaced or
    overwritten has another stamp, also where its size and its time of modification are the same.

    Example:
        >>> stamp = file_stamp(Path(__file__))
        >>> stamp is None or stamp[1] > 0
        True
    """
    state = path.stat()
    if time.time() - max(state.st_mtime, state.st_ctime) < RECENT:
        return None
    return [str(path.resolve()), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def remembered(job: Mapping[str, Any], compute: Callable[[], Any], folder: Path | None = None) -> Any:
    """The value of ``job``: the stored one, or the computed one, which is then stored.

    A damaged or missing file, and a folder that cannot be written to, only cost the computation.

    Args:
        job: everything that decides the value, as plain JSON values.
        compute: makes the value, a plain JSON value.
        folder: of the stored values; by default ``checksums`` in :func:`user_cache`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> remembered({"file": "a"}, lambda: 1, folder), remembered({"file": "a"}, lambda: 2, folder)
        (1, 1)
    """
    text = json.dumps(dict(job), sort_keys=True)
    folder = user_cache() / "checksums" if folder is None else folder
    file = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(file.read_text())
        if stored["job"] == json.loads(text) and stored["sha256"] == _checksum(stored["value"]):
            return stored["value"]
    value = compute()
    content = {"job": json.loads(text), "value": value, "sha256": _checksum(value)}
    with contextlib.suppress(OSError, RuntimeError):
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(file, json.dumps(content).encode())
    return value


def _checksum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
