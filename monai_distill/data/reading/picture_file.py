"""PNG, JPEG, BMP and TIFF, upright and with every bit that is stored."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import tifffile
import torch
from PIL import Image, ImageOps

from .stored_image import FileHeader, StoredImage, ValueKind

__all__ = ["picture_header", "stored_picture"]

_Array = np.ndarray[Any, Any]
_ORIENTATION = 0x0112  # the tag of EXIF and TIFF
_ORIENTATION_TEXTS = (b"Raw profile type exif", b"XML:com.adobe.xmp", b"xmp")  # keywords of PNG's text chunks
_LONGEST = 80  # bytes of a keyword of PNG, with the zero behind it
_LONGEST_START = 26  # bytes that tell the type of a file and the depth of its colors
_WHITE_IS_ZERO = 0
_TURNS: Mapping[int, Callable[[_Array], _Array]] = {  # rows and columns are the first two axes
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def stored_picture(path: str) -> StoredImage:
    """A picture, [C, rows, columns], turned as its orientation tag says; alpha is left out.

    Pillow reads 8 bits, and gray of 16 and 32 bits. It cuts 16-bit color down to 8, and takes signed bytes for
    unsigned ones: torchvision reads such PNG, and tifffile such TIFF.

    Raises:
        ValueError: when the file holds several pages, or channels of an unknown meaning.
        OSError: when the file is damaged.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes twice as long
        content = file.read()
    tags = _tiff_tags(path, content)
    if tags is not None and not _pillow_reads(tags):
        stored = _turned(_deep_tiff(path), tags["orientation"])
        return _stored(stored, _tiff_header(tags), is_inverted=tags["photometric"] == _WHITE_IS_ZERO)
    # by a stream: given a name, Pillow maps TIFF into memory and scrambles gray ones that lie on their side
    stream = BytesIO(content)
    with Image.open(stream) as image:
        header, turn = _opened(image, stream, content)
        if not _is_deep_color_png(content):
            stored = np.asarray(_as_gray_or_rgb(image, turn))
    if _is_deep_color_png(content):
        return _stored(_turned(_deep_png(path), turn), header, is_inverted=False)
    is_deep = stored.dtype != np.uint8
    is_inverted = is_deep and tags is not None and tags["photometric"] == _WHITE_IS_ZERO  # Pillow inverts 8 bits only
    return _stored(stored, header, is_inverted)


def picture_header(path: str) -> FileHeader:
    """The facts of a picture; see :func:`~.stored_image.file_header`."""
    with open(path, "rb") as stream:  # noqa: PTH123 - as above
        start = stream.read(_LONGEST_START)
        tags = _tiff_tags(path, start)
        if tags is not None and not _pillow_reads(tags):
            return _tiff_header(tags)
        stream.seek(0)
        with Image.open(stream) as image:
            return _opened(image, stream, start)[0]


def _tiff_header(tags: Mapping[str, Any]) -> FileHeader:
    rows, columns = tags["shape"]
    values: ValueKind = "8-bit" if tags["is_byte"] else "stored"
    return _upright((rows, columns), tags["orientation"], values, tags["has_alpha"])


def _opened(image: Any, stream: BinaryIO, start: bytes) -> tuple[FileHeader, int]:
    """The header and the orientation tag of a picture that Pillow has opened; its pixels are not decoded."""
    (columns, rows), turn = image.size, 1
    # Pillow gives the size of a TIFF after turning it, and decodes a PNG whole to look for tags behind the pixels
    if image.format != "TIFF" and (image.format != "PNG" or _may_state_orientation(stream)):
        turn = int(image.getexif().get(_ORIENTATION, 1))
    deep = image.mode[:1] in ("I", "F") or _is_deep_color_png(start)
    has_alpha = image.mode[-1:] in ("A", "a") or "transparency" in image.info
    return _upright((rows, columns), turn, "stored" if deep else "8-bit", has_alpha), turn


def _upright(shape: tuple[int, int], turn: int, values: ValueKind, has_alpha: bool) -> FileHeader:
    return FileHeader(shape[::-1] if turn in (5, 6, 7, 8) else shape, values, has_alpha=has_alpha)


def _may_state_orientation(stream: BinaryIO) -> bool:
    """Whether a PNG has a chunk, before or behind its pixels, in which Pillow looks for an orientation."""
    place = stream.tell()
    try:
        stream.seek(8)  # the signature
        while len(chunk := stream.read(8)) == 8 and chunk[4:] != b"IEND":
            length = int.from_bytes(chunk[:4], "big")
            read = stream.read(min(length, _LONGEST)) if chunk[4:] in (b"tEXt", b"zTXt", b"iTXt") else b""
            if chunk[4:] == b"eXIf" or read.split(b"\0", 1)[0] in _ORIENTATION_TEXTS:
                return True
            stream.seek(length - len(read) + 4, os.SEEK_CUR)  # behind it lies a checksum of four bytes
        return False
    finally:
        stream.seek(place)


def _stored(stored: _Array, header: FileHeader, is_inverted: bool) -> StoredImage:
    # a copy in the machine's own byte order: what the readers give may be read-only or big-endian
    image = torch.from_numpy(np.array(stored, dtype=np.float32))
    image = image.movedim(-1, 0) if image.ndim == 3 else image[None]
    return StoredImage(image.contiguous(), header, is_inverted=is_inverted)


def _turned(stored: _Array, orientation: int) -> _Array:
    return _TURNS[orientation](stored) if orientation in _TURNS else stored


def _is_deep_color_png(start: bytes) -> bool:
    return start.startswith(b"\x89PNG") and start[24:25] == b"\x10" and start[25:26] in (b"\2", b"\4", b"\6")


def _deep_png(path: str) -> _Array:
    from torchvision.io import ImageReadMode, decode_png  # here: importing it takes a second

    decoded = decode_png(torch.from_numpy(np.fromfile(path, dtype=np.uint8)), mode=ImageReadMode.UNCHANGED)
    return _without_alpha(np.moveaxis(decoded.numpy(), 0, -1))


def _without_alpha(stored: _Array) -> _Array:
    return stored[..., 0] if stored.shape[-1] in (1, 2) else stored[..., :3]


def _tiff_tags(path: str, start: bytes) -> dict[str, Any] | None:
    """The tags that say how the pixels of a TIFF are stored; None for another type of file."""
    if start[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        bits = page.bitspersample
        return {
            "bits": bits,
            "sample_format": int(page.sampleformat),
            "is_byte": bits <= 8 and page.sampleformat == 1,
            "samples": page.samplesperpixel,
            "has_alpha": len(page.extrasamples) == 1,
            "photometric": int(page.photometric),
            "shape": (page.imagelength, page.imagewidth),
            "orientation": int(page.tags[_ORIENTATION].value) if _ORIENTATION in page.tags else 1,
        }


def _pillow_reads(tags: Mapping[str, Any]) -> bool:
    if tags["is_byte"]:
        return bool(tags["samples"] in (1, 2, 3, 4))
    return tags["samples"] == 1 and (tags["bits"], tags["sample_format"]) in ((12, 1), (16, 1), (16, 2), (32, 3))


def _deep_tiff(path: str) -> _Array:
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if len(file.pages) != 1:
            raise ValueError(_pages(len(file.pages)))
        try:
            stored: _Array = page.asarray()
        except ValueError as error:
            raise ValueError(
                f"cannot decode a TIFF of {page.bitspersample} bits with {page.compression.name} compression: {error}; "
                "install imagecodecs, or store the file without compression."
            ) from None
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and page.samplesperpixel > 1:
            stored = np.moveaxis(stored, 0, -1)
        extra = len(page.extrasamples)
    channels = page.samplesperpixel - extra
    if stored.ndim == 3 and channels in (1, 3) and extra <= 1:
        return stored[..., 0] if channels == 1 else stored[..., :3]
    if stored.ndim != 2:
        raise ValueError(f"expected a picture of 1 or 3 channels, got {page.samplesperpixel}; convert the file.")
    return stored


def _pages(count: int) -> str:
    return f"expected one image in the file, got {count} pages; store one page, or a volume as NIfTI."


def _as_gray_or_rgb(image: Any, turn: int) -> Any:
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise ValueError(_pages(frames))
    # Pillow copies the pixels even where there is nothing to turn
    turned = image if turn == 1 and image.format != "TIFF" else ImageOps.exif_transpose(image)
    gray = {"1": "L", "LA": "L", "La": "L"}
    if turned.mode in gray:
        return turned.convert(gray[turned.mode])
    # palettes, alpha and print colors to RGB; 16-bit and float gray ("I;16", "I", "F") stay as they are
    colors = ("P", "PA", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
    return turned.convert("RGB") if turned.mode in colors else turned
