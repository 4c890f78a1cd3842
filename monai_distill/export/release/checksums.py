"""The checksums of a release."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["checksums", "file_sha256"]


def checksums(folder: Path) -> str:
    """A line ``sha256  path`` for every file but ``SHA256SUMS`` itself, as ``sha256sum --check`` reads them.

    Links are left out: what they point to is no part of the folder.
    """
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    files = sorted(path.relative_to(folder).as_posix() for path in found)
    return "".join(f"{file_sha256(folder / name)}  {name}\n" for name in files if name != "SHA256SUMS")


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file, however large."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
