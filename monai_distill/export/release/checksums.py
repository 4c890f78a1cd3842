"""The checksums of a release."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["checksums"]


def checksums(folder: Path) -> str:
    """A line ``sha256  path`` for every file but ``SHA256SUMS`` itself, as ``sha256sum --check`` reads them."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    rows = [f"{hashlib.sha256((folder / f).read_bytes()).hexdigest()}  {f}\n" for f in files if f != "SHA256SUMS"]
    return "".join(rows)
