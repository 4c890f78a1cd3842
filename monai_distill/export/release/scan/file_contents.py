"""Everything a file of a release says: its texts, its raw bytes, and what does not belong into such a file."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from monai_distill.export.release.formats import nifti, npz, png

__all__ = ["FileContents"]

NPZ_ENTRIES = {f"{s}_{kind}.npy" for s in npz.SECTIONS for kind in ("images", "labels")}
NPZ_ENTRIES |= {"class_names.npy", "pixel_low.npy", "pixel_high.npy"}
PNG_CHUNKS = {"IHDR", "IDAT", "IEND", "tEXt"}
TENSORS = re.compile(r"images|labels|label_logits|student_lr|preprocessing\.\w+")
MOST = 2**31  # bytes of a file, unpacked or not, that are looked at
NIFTI_TEXTS = {"descrip": nifti.STAMP, "aux_file": "", "intent_name": "", "db_name": "", "data_type": ""}
TEXT_SUFFIXES = {".json", ".md", ".csv", ".txt", ""}


@dataclass
class FileContents:
    """What :func:`~monai_distill.export.release.scan.scan.scan_release` looks through; made by :meth:`of`.

    Args:
        texts: every string of the file, unpacked and unescaped.
        raw: the bytes in which text could hide, unpacked.
        pixels: whole arrays of pixel values of 8 bits, which may look like letters.
        problems: what does not belong into a release, whatever it says: pickles, EXIF, headers that are not ours.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.json"
        >>> _ = file.write_text('{"by": "\\\\u0044oe"}')
        >>> FileContents.of(file).texts[1:]
        ['by', 'Doe']
    """

    texts: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    pixels: list[bytes] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, file: Path) -> FileContents:
        """Open a file by the kind that its name tells; one that cannot be read as that is a problem."""
        found = cls()
        if file.stat().st_size > MOST:
            found.problems.append(f"has more than {MOST} bytes, too many to be looked through")
            return found
        data = file.read_bytes()
        read = {".png": _png, ".npz": _npz, ".safetensors": _safetensors, ".gz": _nifti}.get(file.suffix)
        if data[:1] == b"\x80" and data[1:2] <= b"\x05" and data.endswith(b"."):
            found.problems.append("is a pickle")
        if b"Exif\0\0" in data:
            found.problems.append("holds EXIF data")
        try:
            if read is not None:
                read(data, found)
            elif file.suffix in TEXT_SUFFIXES:
                _text(data, found, as_json=file.suffix == ".json")
            else:
                found.raw.append(data)
                found.problems.append("is of a kind that no release holds")
        # whatever a damaged or foreign file makes the readers raise, it is told of and not let pass
        except Exception as error:
            found.raw.append(data)
            found.problems.append(f"cannot be read ({type(error).__name__}: {error})")
        return found


def _text(data: bytes, found: FileContents, *, as_json: bool) -> None:
    found.texts.append(data.decode("utf-8"))
    if as_json:
        found.texts += _strings(json.loads(data))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _png(data: bytes, found: FileContents) -> None:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("not a PNG")
    place, kind, pixels, texts, head = 8, "", b"", [], b""
    while kind != "IEND":
        length, name = struct.unpack(">I4s", data[place : place + 8])
        kind, body = name.decode("latin-1"), data[place + 8 : place + 8 + length]
        place += length + 12
        if struct.pack(">I", zlib.crc32(name + body)) != data[place - 4 : place]:
            raise ValueError(f"the chunk {kind} is damaged")
        if kind == "IHDR":
            head = body
        if kind not in PNG_CHUNKS or length > {"IHDR": 13, "IEND": 0}.get(kind, length):
            found.problems.append("holds EXIF data" if kind == "eXIf" else f"holds a PNG chunk {kind}")
            found.raw.append(body)
        elif kind == "tEXt":
            found.texts.append(body.decode("latin-1").replace("\0", ": "))
            key, _, value = body.decode("latin-1").partition("\0")
            texts.append((key, value))
        elif kind == "IDAT":
            pixels += body
    found.raw.append(hidden := data[place:] + _behind_pixels(pixels, head))
    if hidden:
        found.problems.append("holds bytes behind the picture")
    if texts != list(png.TEXTS.items()):
        found.problems.append("has other text chunks than the stamp SYNTHETIC")


def _behind_pixels(packed: bytes, head: bytes) -> bytes:
    """What follows the rows of a picture of 8 bits a channel, which is what an export writes."""
    width, height, *kind = struct.unpack(">IIBBBBB", head)
    rows = height * (1 + 3 * width)
    if kind != [8, 2, 0, 0, 0] or rows > MOST:
        raise ValueError(f"not a picture of RGB bytes in one pass, but {width} x {height} of the kind {kind}")
    unpack = zlib.decompressobj()
    plain = unpack.decompress(packed, rows + 1024)
    return plain[rows:] + unpack.unconsumed_tail + unpack.unused_data


def _npz(data: bytes, found: FileContents) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        if file.comment or any(entry.comment or entry.extra for entry in file.infolist()):
            found.texts.append(repr([file.comment, *((e.comment, e.extra) for e in file.infolist())]))
            found.problems.append("holds comments")
        # 30 bytes before an entry, 46 in the list of entries, 22 at the end, and the name twice: nothing between
        own = 22 + sum(76 + 2 * len(e.filename.encode()) + e.compress_size for e in file.infolist())
        if data[:4] != b"PK\x03\x04" or data[-22:-18] != b"PK\x05\x06" or len(data) != own:
            found.raw.append(data)
            found.problems.append("holds bytes around the archive")
        for entry in file.infolist():
            found.texts.append(entry.filename)
            if entry.filename not in NPZ_ENTRIES:
                kind = "a pickle" if entry.filename.endswith(".pkl") else "an entry"
                found.problems.append(f"holds {kind} {entry.filename!r}")
            if entry.file_size > MOST:
                found.problems.append(f"holds {entry.filename!r} of more than {MOST} bytes, which was not opened")
                continue
            content = file.read(entry)
            try:
                array = np.load(io.BytesIO(content), allow_pickle=False)
            except ValueError as error:
                found.raw.append(content)
                found.problems.append(f"{entry.filename!r} is a pickle or no array ({error})")
                continue
            again = io.BytesIO()
            np.lib.format.write_array(again, array, allow_pickle=False)
            plain = array.dtype.kind in "uifSU" and again.getvalue() == content
            (found.pixels if plain and array.dtype == np.uint8 else found.raw).append(content)
            if not plain:
                found.problems.append(f"holds {entry.filename!r} that is no plain array as NumPy writes it")
            if array.dtype.kind in "SU":
                found.texts += [str(value) for value in array.ravel().tolist()]


def _safetensors(data: bytes, found: FileContents) -> None:
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    found.texts += [data[8 : 8 + length].decode("utf-8"), *_strings(header)]
    found.raw.append(data[8 + length :])
    if "__metadata__" in header:
        found.problems.append("holds safetensors metadata")
    others = sorted(name for name in header if name != "__metadata__" and not TENSORS.fullmatch(name))
    if others:
        found.problems.append(f"holds tensors that are no part of a set: {', '.join(others)}")
    end = max(tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
    if len(data) != 8 + length + end:
        found.problems.append("holds bytes behind the tensors")


def _nifti(data: bytes, found: FileContents) -> None:
    if data[3] != 0:  # the flags: a name or a comment in the header
        found.raw.append(data[:512])
        found.problems.append("has a name or comment in its gzip header")
    unpack = zlib.decompressobj(31)  # one gzip member; the module gzip would read on into others, with their names
    plain = unpack.decompress(data, MOST)
    if not unpack.eof:
        raise ValueError(f"cut short, or more than {MOST} bytes")
    if unpack.unused_data:
        found.raw.append(unpack.unused_data)
        found.problems.append("holds bytes behind the archive")
    image = nibabel.Nifti1Image.from_bytes(plain)
    header = image.header
    for name, expected in NIFTI_TEXTS.items():
        value = header[name].tobytes().rstrip(b"\0").decode("latin-1")
        found.texts.append(value)
        if value != expected:
            found.problems.append(f"has the NIfTI field {name} filled in")
    start = int(image.dataobj.offset)  # nibabel forgets it in the header
    if len(header.extensions) or plain[348:start].strip(b"\0"):
        found.raw.append(plain[348:start])
        found.texts += [str(extension.get_content()) for extension in header.extensions]
        found.problems.append("holds NIfTI extensions")
    size = int(np.prod(image.shape)) * header["bitpix"].item() // 8
    if len(plain) != start + size:
        found.problems.append("holds bytes behind the image")
    found.raw += [plain[:348], plain[348:]]
