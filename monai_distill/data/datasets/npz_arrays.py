"""Arrays of an ``.npz`` file: loaded where they fit into memory, memory-mapped where they do not."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import logging
import struct
import zipfile
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from monai_distill.data.image_cache import MEMORY_SHARE, cached_array, default_cache_dir
from monai_distill.runtime.checksums import file_checksum
from monai_distill.runtime.memory import physical_memory

__all__ = ["fits_memory", "hand_on_arrays", "handed_on", "mapped_array"]

Array: TypeAlias = "np.ndarray[Any, Any]"
LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member, up to the lengths of its name and its extra field
ROW_BYTES = 64 * 2**20  # that are copied at a time
_held: dict[tuple[str | int, ...], Array] = {}
_holding = False
logger = logging.getLogger(__name__)


def fits_memory(path: Path) -> bool:
    """Whether all arrays of an ``.npz`` file together fit a quarter of the machine's memory.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> np.savez(path, a=np.zeros(3))
        >>> fits_memory(path)
        True
    """
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist()) * MEMORY_SHARE <= physical_memory()


@contextlib.contextmanager
def hand_on_arrays() -> Iterator[None]:
    """Arrays that are loaded inside the block are held for one more reading of the same file, after the block.

    A plan reads a few images of a file, which has to be unpacked as a whole, and the run then reads all of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> path.touch()
        >>> with hand_on_arrays():
        ...     first = handed_on(path, "a", lambda: np.zeros(2))
        >>> handed_on(path, "a", lambda: np.ones(2)) is first, handed_on(path, "a", lambda: np.ones(2)).tolist()
        (True, [1.0, 1.0])
    """
    global _holding
    _held.clear()
    _holding = True
    try:
        yield
    finally:
        _holding = False


def handed_on(path: Path, name: str, load: Callable[[], Array]) -> Array:
    """The array that an earlier reading handed on, else the loaded one; see :func:`hand_on_arrays`.

    Args:
        path: the file.
        name: of the array and its use.
        load: reads it.
    """
    state = path.stat()
    key = (str(path.resolve()), state.st_size, state.st_mtime_ns, state.st_ctime_ns, name)
    if not _holding:
        held = _held.pop(key, None)
        return load() if held is None else held
    _held[key] = load()
    return _held[key]


def mapped_array(path: Path, key: str, cache_dir: str | PathLike[str] | None = None) -> Array:
    """The array ``key`` of an ``.npz`` file as a memory-mapped array.

    A member that is stored uncompressed is mapped where it lies. A compressed one is written once, uncompressed, to
    ``cache_dir`` and mapped there.

    Args:
        path: the file.
        key: name of the array.
        cache_dir: folder for arrays of compressed files; None: the user's cache folder.

    Raises:
        ValueError: for an array of Python objects, or in Fortran order.
        RuntimeError: when the cache folder is too small or cannot be written to.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> np.savez(path, a=np.arange(3))
        >>> mapped_array(path, "a").tolist()
        [0, 1, 2]
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{key}.npy")
        with archive.open(member) as stream:
            shape, dtype = _header(stream, f"{key} of {path}")
            length = stream.tell()
        if member.compress_type == zipfile.ZIP_STORED:
            return np.memmap(path, dtype, "c", _data_offset(path, member) + length, shape)
        folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        logger.info("%s of %s (%.1f GiB) stays on disk: it is read from %s.", key, path, size / 2**30, folder)
        job = {"file": path.name, "sha256": file_checksum(path), "key": key}

        def fill(array: Array) -> None:
            with archive.open(member) as stream:
                _header(stream, f"{key} of {path}")
                _copy(stream, array)

        return cached_array(folder, job, shape, dtype, fill)


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject or fortran:
        kind = "Python objects" if dtype.hasobject else "Fortran order"
        raise ValueError(f"Expected {name} as a plain array in C order, got {kind}. Save it again with numpy.savez.")
    return shape, dtype


def _data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    return member.header_offset + LOCAL_HEADER.size + int(name) + int(extra)


def _copy(stream: IO[bytes], array: Array) -> None:
    flat = array.reshape(-1)
    step = max(ROW_BYTES // array.itemsize, 1)
    for low in range(0, len(flat), step):
        part = flat[low : low + step]
        data = stream.read(part.nbytes)
        if len(data) != part.nbytes:
            raise ValueError("The .npz file is cut short: an array ends early. Get the file again.")
        part[:] = np.frombuffer(data, dtype=array.dtype)
