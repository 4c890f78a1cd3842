"""The content of one file of a release: texts, raw bytes, and parts that no release has."""

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
MOST = 2**31  # largest number of bytes of a file, unpacked or not
NIFTI_TEXTS = {"descrip": nifti.STAMP, "aux_file": "", "intent_name": "", "db_name": "", "data_type": ""}
TEXT_SUFFIXES = {".json", ".md", ".csv", ".txt", ""}
SIGNATURE_BYTES = 64


@dataclass
class FileContents:
    """The contents that :func:`~monai_distill.export.release.scan.scan.scan_release` searches; made by :meth:`of`.

    Args:
        texts: every string of the file, unpacked and unescaped.
        raw: unpacked bytes that can hide text.
        pixels: arrays of 8-bit pixel values, which can look like letters.
        problems: parts that no release has, such as pickles, EXIF data and foreign headers.

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
        """Open a file by the type in its name. A file that cannot be read as that type is a problem."""
        contents = cls()
        if file.stat().st_size > MOST:
            contents.problems.append(f"has more than {MOST} bytes, too many to search")
            return contents
        data = file.read_bytes()
        read = {".png": _png, ".npz": _npz, ".safetensors": _safetensors, ".gz": _nifti}.get(file.suffix)
        if data[:1] == b"\x80" and data[1:2] <= b"\x05" and data.endswith(b"."):
            contents.problems.append("is a pickle")
        if b"Exif\0\0" in data:
            contents.problems.append("has EXIF data")
        try:
            if read is not None:
                read(data, contents)
            elif file.suffix == ".sig" and len(data) == SIGNATURE_BYTES:
                contents.raw.append(data)
            elif file.suffix in TEXT_SUFFIXES:
                _text(data, contents, as_json=file.suffix == ".json")
            else:
                contents.raw.append(data)
                contents.problems.append("is of a type that no release has")
        # a damaged or foreign file can make the readers raise anything: every error is a finding
        except Exception as error:
            contents.raw.append(data)
            contents.problems.append(f"cannot be read ({type(error).__name__}: {error})")
        return contents


def _text(data: bytes, contents: FileContents, *, as_json: bool) -> None:
    contents.texts.append(data.decode("utf-8"))
    if as_json:
        contents.texts += _strings(json.loads(data, object_pairs_hook=_with_each_key_once))


def _with_each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of a key that stands twice, programs read the last value, and people the first."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{', '.join(twice)[:80]} stands twice in an object")
    return entries


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


def _png(data: bytes, contents: FileContents) -> None:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("it is not a PNG")
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
            contents.problems.append("has EXIF data" if kind == "eXIf" else f"has a PNG chunk {kind}")
            contents.raw.append(body)
        elif kind == "tEXt":
            contents.texts.append(body.decode("latin-1").replace("\0", ": "))
            key, _, value = body.decode("latin-1").partition("\0")
            texts.append((key, value))
        elif kind == "IDAT":
            pixels += body
    contents.raw.append(hidden := data[place:] + _after_pixels(pixels, head))
    if hidden:
        contents.problems.append("has bytes after the picture")
    if texts != list(png.TEXTS.items()):
        contents.problems.append("has text chunks other than the stamp SYNTHETIC")


def _after_pixels(packed: bytes, head: bytes) -> bytes:
    """Bytes after the rows of an RGB picture with 8 bits per channel, the only type that an export writes."""
    width, height, *kind = struct.unpack(">IIBBBBB", head)
    rows = height * (1 + 3 * width)
    if kind != [8, 2, 0, 0, 0] or rows > MOST:
        raise ValueError(f"expected a picture of RGB bytes in one pass, got {width} x {height} of type {kind}")
    unpack = zlib.decompressobj()
    plain = unpack.decompress(packed, rows + 1024)
    return plain[rows:] + unpack.unconsumed_tail + unpack.unused_data


def _npz(data: bytes, contents: FileContents) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        if file.comment or any(entry.comment or entry.extra for entry in file.infolist()):
            contents.texts.append(repr([file.comment, *((e.comment, e.extra) for e in file.infolist())]))
            contents.problems.append("has comments")
        # 30 bytes before an entry, 46 in the list of entries, 22 at the end, the name twice, and nothing between
        expected = 22 + sum(76 + 2 * len(e.filename.encode()) + e.compress_size for e in file.infolist())
        if data[:4] != b"PK\x03\x04" or data[-22:-18] != b"PK\x05\x06" or len(data) != expected:
            contents.raw.append(data)
            contents.problems.append("has bytes around the archive")
        for entry in file.infolist():
            contents.texts.append(entry.filename)
            if entry.filename not in NPZ_ENTRIES:
                kind = "a pickle" if entry.filename.endswith(".pkl") else "an unknown entry"
                contents.problems.append(f"has {kind} {entry.filename!r}")
            if entry.file_size > MOST:
                contents.problems.append(f"has {entry.filename!r} of more than {MOST} bytes, which was not opened")
                continue
            content = file.read(entry)
            try:
                array = np.load(io.BytesIO(content), allow_pickle=False)
            except ValueError as error:
                contents.raw.append(content)
                contents.problems.append(f"{entry.filename!r} is a pickle or not an array ({error})")
                continue
            again = io.BytesIO()
            np.lib.format.write_array(again, array, allow_pickle=False)
            plain = array.dtype.kind in "uifSU" and again.getvalue() == content
            (contents.pixels if plain and array.dtype == np.uint8 else contents.raw).append(content)
            if not plain:
                contents.problems.append(f"has {entry.filename!r}, which is not a plain array as NumPy writes it")
            if array.dtype.kind in "SU":
                contents.texts += [str(value) for value in array.ravel().tolist()]


def _safetensors(data: bytes, contents: FileContents) -> None:
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    contents.texts += [data[8 : 8 + length].decode("utf-8"), *_strings(header)]
    contents.raw.append(data[8 + length :])
    if "__metadata__" in header:
        contents.problems.append("has safetensors metadata")
    others = sorted(name for name in header if name != "__metadata__" and not TENSORS.fullmatch(name))
    if others:
        contents.problems.append(f"has tensors that are not part of a set: {', '.join(others)}")
    end = max(tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
    if len(data) != 8 + length + end:
        contents.problems.append("has bytes after the tensors")


def _nifti(data: bytes, contents: FileContents) -> None:
    if data[3] != 0:  # the flags: a name or a comment in the header
        contents.raw.append(data[:512])
        contents.problems.append("has a name or comment in its gzip header")
    unpack = zlib.decompressobj(31)  # one gzip member; the module gzip would also read the next ones, with their names
    plain = unpack.decompress(data, MOST)
    if not unpack.eof:
        raise ValueError(f"it is truncated, or has more than {MOST} bytes")
    if unpack.unused_data:
        contents.raw.append(unpack.unused_data)
        contents.problems.append("has bytes after the archive")
    image = nibabel.Nifti1Image.from_bytes(plain)
    header = image.header
    for name, expected in NIFTI_TEXTS.items():
        value = header[name].tobytes().rstrip(b"\0").decode("latin-1")
        contents.texts.append(value)
        if value != expected:
            contents.problems.append(f"has text in the NIfTI field {name}")
    start = int(image.dataobj.offset)  # nibabel does not keep it in the header
    if len(header.extensions) or plain[348:start].strip(b"\0"):
        contents.raw.append(plain[348:start])
        contents.texts += [str(extension.get_content()) for extension in header.extensions]
        contents.problems.append("has NIfTI extensions")
    size = int(np.prod(image.shape)) * header["bitpix"].item() // 8
    if len(plain) != start + size:
        contents.problems.append("has bytes after the image")
    contents.raw += [plain[:348], plain[348:]]
