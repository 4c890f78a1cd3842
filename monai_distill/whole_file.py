"""Writing a file as a whole or not at all."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

__all__ = ["write_whole"]


def write_whole(file: Path, data: bytes) -> None:
    """Replace ``file`` by ``data`` in one step: whoever reads it finds the old content or the new, never a part.

    Raises:
        RuntimeError: when it cannot be written (a full disk); the old content stays and nothing else is left behind.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "scores.json"
        >>> write_whole(file, b"{}")
        >>> file.read_text()
        '{}'
    """
    unfinished = file.with_name(file.name + ".part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise RuntimeError(f"Cannot write {file}: {error}. Free some room and try again.") from None
