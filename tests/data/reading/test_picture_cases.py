"""Pictures, case by case: EXIF, deep colors, TIFF of every kind; the same pixels in every file type."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFile

from monai_distill.data.reading.stored_image import file_header
from tests.data.conftest import write_dicom

from .files import read, stretched, write_png16

SOME = np.random.RandomState(0)
COLOR = SOME.randint(0, 256, (16, 24, 3)).astype(np.uint8)
TWELVE = SOME.randint(0, 4096, (6, 8, 3)).astype(np.uint16)
GREY12 = TWELVE[..., 0]


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int, suffix: str, tmp_path: Path) -> None:
    upright = np.kron(np.arange(6).reshape(2, 3) * 40, np.ones((16, 16))).astype(np.uint8)
    # the views of the EXIF standard (CIPA DC-008, tag 274): row 0 and column 0 of the file are these sides
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    assert read(path)[0] == pytest.approx(upright / 255, abs=0.02)
    assert file_header(str(path)).shape == upright.shape


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_EXIF = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, 6, 0)  # the one tag: orientation 6
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0" + b'<x tiff:Orientation="6"/>'
_RAW = b"Raw profile type exif\0\nexif\n      26\n" + _EXIF.hex().encode()


@pytest.mark.parametrize("chunk", [(b"eXIf", _EXIF), (b"iTXt", _XMP), (b"tEXt", _RAW)], ids=["exif", "xmp", "raw"])
def test_the_orientation_of_a_png_behind_its_pixels_is_found(chunk: tuple[bytes, bytes], tmp_path: Path) -> None:
    """Oracle: Pillow, which decodes the image to find it."""
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-12] + _chunk(b"tEXt", b"Comment\0Orientation") + _chunk(*chunk) + whole[-12:])
    with Image.open(path) as image:
        assert image.getexif().get(0x0112) == 6
    assert file_header(str(path)).shape == (3, 2)
    assert read(path).shape == (1, 3, 2)


def test_the_header_of_a_png_is_read_without_its_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert file_header(str(tmp_path / "a.png")).shape == (4, 5)


@pytest.mark.parametrize("orientation", [6, 8])
def test_deep_tiff_is_turned_too(orientation: int, tmp_path: Path) -> None:
    stored = np.rot90(TWELVE, 1 if orientation == 6 else -1)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    assert read(tmp_path / "a.tif") == pytest.approx(stretched(np.moveaxis(TWELVE, -1, 0)), abs=1e-6)
    assert file_header(str(tmp_path / "a.tif")).shape == (6, 8)


TIFF: dict[str, tuple[np.ndarray, dict[str, Any], np.ndarray]] = {
    "12 bits in 16-bit RGB": (TWELVE, {"photometric": "rgb"}, stretched(np.moveaxis(TWELVE, -1, 0))),
    "planes": (
        np.moveaxis(TWELVE, -1, 0),
        {"photometric": "rgb", "planarconfig": "separate"},
        stretched(np.moveaxis(TWELVE, -1, 0)),
    ),
    "16-bit gray": (GREY12, {"photometric": "minisblack"}, stretched(GREY12)[None]),
    "16-bit WhiteIsZero": (GREY12, {"photometric": "miniswhite"}, 1 - stretched(GREY12)[None]),
    "8-bit WhiteIsZero": (COLOR[..., 0], {"photometric": "miniswhite"}, 1 - COLOR[None, ..., 0] / 255),
    "signed bytes": (COLOR[..., 0].view(np.int8), {}, stretched(COLOR[..., 0].view(np.int8))[None]),
    "float16": ((GREY12 / 4096).astype(np.float16), {}, stretched((GREY12 / 4096).astype(np.float16))[None]),
    "float32": ((GREY12 / 7).astype(np.float32), {}, stretched(GREY12)[None]),
    "float64": (GREY12 / 7, {}, stretched(GREY12)[None]),
    "uint32 above 2^31": (GREY12.astype(np.uint32) * 1048576, {}, stretched(GREY12)[None]),
    "deflated": (TWELVE, {"photometric": "rgb", "compression": "zlib"}, stretched(np.moveaxis(TWELVE, -1, 0))),
    "big endian": (GREY12, {"byteorder": ">"}, stretched(GREY12)[None]),
}


@pytest.mark.parametrize("case", TIFF)
def test_tiff(case: str, tmp_path: Path) -> None:
    stored, options, expected = TIFF[case]
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    assert read(tmp_path / "a.tif") == pytest.approx(expected, abs=1e-5)
    header = file_header(str(tmp_path / "a.tif"))
    assert header.shape == expected.shape[1:]
    assert header.values == ("8-bit" if stored.dtype == np.uint8 else "stored")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_png_of_16_bits_and_several_channels(channels: int, tmp_path: Path) -> None:
    opaque = np.full((6, 8, 1), 65535, np.uint16)
    stored = {2: np.concatenate([TWELVE[..., :1], opaque], -1), 3: TWELVE, 4: np.concatenate([TWELVE, opaque], -1)}
    path = write_png16(tmp_path / "a.png", stored[channels])
    colors = TWELVE[..., :1] if channels == 2 else TWELVE
    assert read(path) == pytest.approx(stretched(np.moveaxis(colors, -1, 0)), abs=1e-6)
    assert file_header(str(path)).values == "stored"


def test_a_compression_without_a_decoder_names_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("COMPRESSION.LZW requires the 'imagecodecs' package")

    tifffile.imwrite(tmp_path / "a.tif", TWELVE, photometric="rgb")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", refuse)
    with pytest.raises(ValueError, match=r"16 bits.*install imagecodecs"):
        read(tmp_path / "a.tif")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pixels=st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda kind: arrays(kind, st.tuples(st.integers(1, 9), st.integers(1, 9)))
    )
)
def test_grey_pixels_are_the_same_in_every_file_type(pixels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    write_dicom(tmp_path / "a.dcm", pixels)
    expected = read(tmp_path / "a.png")
    assert expected.shape == (1, *pixels.shape)
    for name in ("a.tif", "a.dcm"):
        assert np.array_equal(read(tmp_path / name), expected)
        assert file_header(str(tmp_path / name)).values == file_header(str(tmp_path / "a.png")).values


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pixels=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_colors_are_the_same_in_every_file_type(pixels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "a.bmp")
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    write_dicom(tmp_path / "a.dcm", pixels, "RGB")
    expected = read(tmp_path / "a.png")
    for name in ("a.bmp", "a.tif", "a.dcm"):
        assert np.array_equal(read(tmp_path / name), expected)
