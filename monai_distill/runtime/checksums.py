"""Checksums of data files, computed once per file and process, and of tensors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from .image_blocks import Images, blocks
from .remembered import LARGE, file_stamp, remembered

__all__ = ["checksums", "file_checksum", "file_sha256", "tensor_checksum"]


def checksums(folder: Path) -> str:
    """A line ``sha256  path`` for every file but ``SHA256SUMS`` itself, as ``sha256sum --check`` reads them.

    Links are left out: their targets are not part of the folder.
    """
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    return "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names if name != "SHA256SUMS")


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file, however large."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def file_checksum(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file; one process hashes an unchanged file once, and one user a large file.

    Args:
        path: the file.
        algorithm: a name of :mod:`hashlib`, such as ``"sha256"`` or ``"md5"``.

    Example:
        >>> len(file_checksum(Path(__file__)))
        64
    """
    stat = path.stat()
    return _digest(str(path.resolve()), stat.st_size, stat.st_mtime_ns, algorithm)


def tensor_checksum(values: Images) -> str:
    """SHA-256 over the type, the shape and the bytes of a tensor, or of images that are read by index.

    Example:
        >>> import torch
        >>> tensor_checksum(torch.zeros(4)) == tensor_checksum(torch.zeros(2, 2))
        False
    """
    digest = hashlib.sha256(repr((str(values.dtype), tuple(values.shape))).encode())
    for block in blocks(values) if len(values.shape) else [values[...]]:
        digest.update(block.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@functools.lru_cache(maxsize=256)
def _digest(path: str, size: int, _changed: int, algorithm: str) -> str:
    # size and modification time are part of the key: a replaced file is hashed again
    def compute() -> str:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()

    stamp = file_stamp(Path(path)) if size >= LARGE else None
    return compute() if stamp is None else str(remembered({"file": stamp, "algorithm": algorithm}, compute))
