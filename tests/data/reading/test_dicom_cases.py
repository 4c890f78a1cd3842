"""DICOM, case by case: pydicom's own files, with the value or the message that each must give."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_distill.data.reading.stored_image import file_header
from tests.data.conftest import write_dicom

from .files import changed_dicom, dicom_file, read, stretched

CT = pydicom.dcmread(dicom_file("CT_small.dcm")).pixel_array.astype(float)
MR = pydicom.dcmread(dicom_file("MR_small.dcm")).pixel_array.astype(float)
HOUNSFIELD = CT - 1024
WINDOWED = np.clip((HOUNSFIELD + 1000) / 2000, 0, 1)


def tags(**values: Any) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        for name, value in values.items():
            if name.startswith("PixelPadding"):
                dataset.add_new(name, "SS", value)  # as the pixels of the file
            else:
                setattr(dataset, name, value)

    return change


def without(*names: str) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        for name in names:
            if name in dataset:
                delattr(dataset, name)

    return change


def stretched_above(values: np.ndarray, padding: float) -> np.ndarray:
    inside = values[values > padding]
    return np.where(values > padding, (values - inside.min()) / (inside.max() - inside.min()), 0)


LOWEST = int(MR.min())
VALUES = {
    "CT has the default window, whatever window the file names": ("CT_small.dcm", tags(WindowCenter=7), {}, WINDOWED),
    "MONOCHROME1 is inverted": ("CT_small.dcm", tags(PhotometricInterpretation="MONOCHROME1"), {}, 1 - WINDOWED),
    "the user's window wins": (
        "CT_small.dcm",
        tags(),
        {"intensity_range": (-160, 240)},
        np.clip((HOUNSFIELD + 160) / 400, 0, 1),
    ),
    "CT without a slope has no unit": (
        "CT_small.dcm",
        without("RescaleSlope", "RescaleIntercept", "PixelPaddingValue"),
        {},
        stretched(CT),
    ),
    "more than 8 bits are stretched": ("MR_small.dcm", tags(), {}, stretched(MR)),
    "an INVERSE presentation": ("MR_small.dcm", tags(PresentationLUTShape="INVERSE"), {}, 1 - stretched(MR)),
    "both say the same inversion": (
        "MR_small.dcm",
        tags(PresentationLUTShape="INVERSE", PhotometricInterpretation="MONOCHROME1"),
        {},
        1 - stretched(MR),
    ),
    "an IDENTITY presentation": ("MR_small.dcm", tags(PresentationLUTShape="IDENTITY"), {}, stretched(MR)),
    "padding is 0 and moves nothing else": (
        "MR_small.dcm",
        tags(PixelPaddingValue=LOWEST),
        {},
        stretched_above(MR, LOWEST),
    ),
    "a range of padding": (
        "MR_small.dcm",
        tags(PixelPaddingValue=LOWEST, PixelPaddingRangeLimit=LOWEST + 40),
        {},
        stretched_above(MR, LOWEST + 40),
    ),
    "padding stays dark where the rest is inverted": (
        "MR_small.dcm",
        tags(PixelPaddingValue=LOWEST, PhotometricInterpretation="MONOCHROME1"),
        {},
        np.where(MR > LOWEST, 1 - stretched_above(MR, LOWEST), 0),
    ),
    "a slope of 1 is no unit": ("MR_small.dcm", tags(RescaleSlope=1, RescaleIntercept=0), {}, stretched(MR)),
}


@pytest.mark.parametrize("case", VALUES)
def test_values(case: str, tmp_path: Path) -> None:
    name, change, options, expected = VALUES[case]
    assert read(changed_dicom(tmp_path, name, change), **options)[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("syntax", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "padded"])
def test_a_transfer_syntax_changes_nothing(syntax: str) -> None:
    assert read(dicom_file(f"MR_small_{syntax}.dcm"))[0] == pytest.approx(stretched(MR), abs=1e-6)


def test_a_palette_gives_its_colors() -> None:
    dataset = pydicom.dcmread(dicom_file("examples_palette.dcm"))
    tables = [
        np.frombuffer(dataset[f"{color}PaletteColorLookupTableData"].value, np.uint16)
        for color in ("Red", "Green", "Blue")
    ]
    expected = np.stack([table[dataset.pixel_array] for table in tables]) / 256 / 255  # bytes in the upper half
    image = read(dicom_file("examples_palette.dcm"))
    assert image == pytest.approx(expected, abs=1e-6)
    assert float(image.max()) == 1
    assert file_header(str(dicom_file("examples_palette.dcm"))).values == "8-bit"


def test_a_modality_table_is_applied(tmp_path: Path) -> None:
    stored = np.arange(16, dtype=np.uint8).reshape(4, 4)
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [16, 0, 16])
    table.ModalityLUTType = "US"
    table.add_new("LUTData", "US", (np.arange(16) ** 2).tolist())
    write_dicom(tmp_path / "a.dcm", stored, ModalityLUTSequence=Sequence([table]))
    assert read(tmp_path / "a.dcm")[0] == pytest.approx((stored.astype(float) ** 2) / 225, abs=1e-6)
    assert file_header(str(tmp_path / "a.dcm")).values == "rescaled"


def test_fewer_bits_have_a_smaller_full_range(tmp_path: Path) -> None:
    stored = np.indices((4, 8)).sum(axis=0).astype(np.uint8) % 2
    write_dicom(tmp_path / "one.dcm", stored, BitsStored=1, HighBit=0)
    assert read(tmp_path / "one.dcm")[0] == pytest.approx(stored)
    write_dicom(tmp_path / "six.dcm", stored * 63, BitsStored=6, HighBit=5)
    assert read(tmp_path / "six.dcm")[0] == pytest.approx(stored)
    write_dicom(tmp_path / "packed.dcm", stored, BitsAllocated=1, BitsStored=1, HighBit=0)
    packed = pydicom.dcmread(tmp_path / "packed.dcm")
    packed.PixelData = np.packbits(stored.ravel(), bitorder="little").tobytes()
    packed.save_as(tmp_path / "packed.dcm")
    assert read(tmp_path / "packed.dcm")[0] == pytest.approx(stored)


def test_signed_bytes_are_not_unsigned_ones(tmp_path: Path) -> None:
    stored = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    write_dicom(tmp_path / "a.dcm", stored, PixelRepresentation=1)
    assert read(tmp_path / "a.dcm")[0] == pytest.approx(stretched(stored), abs=1e-6)


def test_ybr_becomes_rgb() -> None:
    rgb = read(dicom_file("SC_rgb_rle.dcm"))
    assert np.abs(read(dicom_file("SC_ybr_full_422_uncompressed.dcm")) - rgb).mean() < 0.02
    assert np.abs(read(dicom_file("SC_rgb_dcmtk_+eb+cy+n1.dcm")) - rgb).mean() < 0.02


@pytest.mark.parametrize("name", ["IM000000", "1.2.840.113619.2.5.1762583153.215519.978957063.0", "A.IMA", "scan.txt"])
def test_the_content_says_that_it_is_dicom(name: str, tmp_path: Path) -> None:
    assert read(changed_dicom(tmp_path, "MR_small.dcm", tags(), to=name))[0] == pytest.approx(stretched(MR), abs=1e-6)


def test_a_file_without_a_preamble_is_read(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(dicom_file("MR_small_implicit.dcm"))
    pydicom.dcmwrite(tmp_path / "bare.dcm", Dataset(dataset), implicit_vr=True, little_endian=True)
    assert (tmp_path / "bare.dcm").read_bytes()[128:132] != b"DICM"
    assert read(tmp_path / "bare.dcm")[0] == pytest.approx(stretched(MR), abs=1e-6)


MESSAGES = {
    "rtdose.dcm": "RT Dose Storage",
    "liver_1frame.dcm": "Segmentation Storage",
    "rtplan.dcm": "RT Plan Storage",
    "rtstruct.dcm": "RT Structure Set Storage",
    "test-SR.dcm": "Comprehensive SR Storage",
    "waveform_ecg.dcm": "12-lead ECG",
    "MR_truncated.dcm": "8130 vs 8192 bytes",
    "no_meta.dcm": "expected a DICOM file",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_no_picture_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=MESSAGES[name]):
        read(dicom_file(name))


def test_no_error_advises_to_force_reading(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("not an image" * 40)
    with pytest.raises(ValueError, match="expected a DICOM file") as refused:
        read(tmp_path / "a.dcm")
    assert "force" not in str(refused.value)


CODED = {
    "SC_rgb_jpeg_gdcm.dcm": "JPEG Lossless",
    "MR_small_jpeg_ls_lossless.dcm": "JPEG-LS",
    "JPEGLSNearLossless_16.dcm": "JPEG-LS",
    "JPGExtended.dcm": "JPEG Extended.*12 bits",
}


@pytest.mark.parametrize("name", CODED)
def test_decoders_are_an_extra_that_the_error_names(name: str) -> None:
    if find_spec("libjpeg") is None:
        with pytest.raises(ValueError, match=rf"{CODED[name]}.*monai-distill\[dicom\]"):
            read(dicom_file(name))
    else:
        assert float(read(dicom_file(name)).max()) == pytest.approx(1, abs=0.02)
