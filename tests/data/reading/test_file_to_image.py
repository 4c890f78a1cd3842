"""FileToImaged: file types, orientation, intensities, sizes, damage."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from monai_distill.data.reading import FileToImaged

Tools = dict[str, Callable[..., Any]]


def read(path: Path, **options: Any) -> torch.Tensor:
    image: torch.Tensor = FileToImaged(**options)({"image": str(path)})["image"]
    return image


@pytest.fixture
def gray() -> np.ndarray:
    array = np.random.RandomState(0).randint(1, 255, (6, 8), dtype=np.uint8)
    array[0, 0], array[5, 7] = 0, 255  # so that scaling by minimum and maximum equals division by 255
    return array


def test_every_type_gives_the_same_rows_and_columns(tmp_path: Path, tools: Tools, gray: np.ndarray) -> None:
    for name in ("a.png", "a.bmp", "a.tif", "a.TIFF"):
        Image.fromarray(gray).save(tmp_path / name)
    Image.fromarray(gray.astype(np.uint16) * 200).save(tmp_path / "a16.png")
    Image.fromarray(gray.astype(np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(gray).convert("LA").save(tmp_path / "alpha.png")
    tools["dicom"](tmp_path / "a.dcm", gray)
    tools["dicom"](tmp_path / "inverted.dcm", 255 - gray, "MONOCHROME1")
    tools["dicom"](tmp_path / "units.dcm", gray.astype(np.uint16), RescaleSlope=2, RescaleIntercept=-1024)
    nibabel.Nifti1Image(gray[..., None], np.eye(4)).to_filename(tmp_path / "slice.nii.gz")
    nibabel.Nifti1Image(gray.astype(">f4"), np.eye(4)).to_filename(tmp_path / "big_endian.nii")
    expected = torch.from_numpy(gray)[None] / 255
    for path in tmp_path.iterdir():
        torch.testing.assert_close(read(path), expected, msg=lambda text, path=path: f"{path.name}: {text}")


def test_jpeg_is_close(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (16, 1))
    Image.fromarray(ramp).save(tmp_path / "a.jpg", quality=95)
    torch.testing.assert_close(read(tmp_path / "a.jpg"), torch.from_numpy(ramp)[None] / 255, atol=0.02, rtol=0)


def test_colours_and_channels(tmp_path: Path, tools: Tools) -> None:
    color = tools["pixels"](6, 8, 3)
    Image.fromarray(color).save(tmp_path / "a.png")
    Image.fromarray(color).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(color).convert("RGBA").save(tmp_path / "alpha.png")
    tools["dicom"](tmp_path / "a.dcm", color, "RGB")
    expected = torch.from_numpy(color).movedim(-1, 0) / 255
    for name in ("a.png", "alpha.png", "a.dcm"):
        torch.testing.assert_close(read(tmp_path / name), expected)
    assert read(tmp_path / "palette.png").shape == (3, 6, 8)
    luma = torch.from_numpy(np.array(Image.fromarray(color).convert("L"))) / 255
    torch.testing.assert_close(read(tmp_path / "a.png", channels=1)[0], luma, atol=1 / 255, rtol=0)
    Image.fromarray(color[..., 0]).save(tmp_path / "gray.png")
    assert torch.equal(read(tmp_path / "gray.png", channels=3)[2], expected[0])


def test_volumes(tmp_path: Path) -> None:
    volume = np.random.RandomState(0).rand(4, 5, 6).astype(np.float32)
    nibabel.Nifti1Image(volume, np.eye(4)).to_filename(tmp_path / "v.nii.gz")
    nibabel.Nifti1Image(np.stack([volume] * 2, -1), np.eye(4)).to_filename(tmp_path / "two.nii.gz")
    scaled = torch.from_numpy((volume - volume.min()) / (volume.max() - volume.min()))
    torch.testing.assert_close(read(tmp_path / "v.nii.gz"), scaled[None])
    torch.testing.assert_close(read(tmp_path / "two.nii.gz"), torch.stack([scaled] * 2))
    assert read(tmp_path / "v.nii.gz", image_size=3).shape == (1, 3, 3, 3)
    assert read(tmp_path / "v.nii.gz", image_size=(2, 3, 4), channels=3).shape == (3, 2, 3, 4)
    with pytest.raises(ValueError, match=r"image_size \(3, 3\) has 2 numbers, got an image of shape \(4, 5, 6\)"):
        read(tmp_path / "v.nii.gz", image_size=(3, 3))
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        read(tmp_path / "two.nii.gz", channels=1)


def test_window_and_constant_image(tmp_path: Path, tools: Tools) -> None:
    units = np.array([[0, 1000, 2000, 4000]] * 2, dtype=np.uint16)
    tools["dicom"](tmp_path / "ct.dcm", units, RescaleSlope=1, RescaleIntercept=-1000)
    windowed = read(tmp_path / "ct.dcm", intensity_range=(-1000, 1000))
    torch.testing.assert_close(windowed[0, 0], torch.tensor([0.0, 0.5, 1.0, 1.0]))
    tools["dicom"](tmp_path / "flat.dcm", np.full((3, 3), 700, dtype=np.uint16))
    assert torch.equal(read(tmp_path / "flat.dcm"), torch.zeros(1, 3, 3))


def test_resizing_keeps_the_mean_and_the_range(tmp_path: Path) -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    small = read(tmp_path / "a.png", image_size=8)
    # without anti-aliasing a chequerboard would come out black or white
    assert abs(float(small.mean()) - 0.5) < 0.05
    assert float(small.std()) < 0.1
    assert 0 <= float(small.min()) <= float(small.max()) <= 1


def test_refuses_damaged_files(tmp_path: Path, tools: Tools, gray: np.ndarray) -> None:
    Image.fromarray(gray).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(OSError, match="truncated"):
        read(tmp_path / "a.png")
    tools["dicom"](tmp_path / "a.dcm", gray)
    (tmp_path / "a.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:-20])
    with pytest.raises(ValueError, match="bytes of pixel data is less than expected"):
        read(tmp_path / "a.dcm")
    nibabel.Nifti1Image(np.full((3, 3, 3), np.nan, np.float32), np.eye(4)).to_filename(tmp_path / "nan.nii")
    with pytest.raises(ValueError, match="NaN or infinity"):
        read(tmp_path / "nan.nii")
    (tmp_path / "a.gif").write_bytes(b"")
    with pytest.raises(ValueError, match=r"unsupported file type '.gif', available are \['.png'"):
        read(tmp_path / "a.gif")
    page = Image.fromarray(gray)
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page])
    with pytest.raises(ValueError, match="one image in the file, got 2 pages"):
        read(tmp_path / "pages.tif")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"channels": 2}, "channels 1, 3 or None, got 2"),
        ({"image_size": 0}, "image_size as a whole number above 0"),
        ({"image_size": (8,)}, "image_size as a whole number above 0, or 2 or 3"),
        ({"image_size": "8x8"}, r"image_size as a whole number above 0, or 2 or 3 of them such as .*, got '8x8'"),
        ({"image_size": 8.5}, "image_size as a whole number above 0.*, got 8.5"),
        ({"image_size": [8, "8"]}, "image_size as a whole number above 0"),
        ({"intensity_range": 100}, r"intensity_range \(low, high\) with low < high, got 100"),
        ({"pixdim": 1.0}, "pixdim as millimeters above 0, one per axis, got 1.0"),
        ({"intensity_range": (5, 5)}, "low < high"),
    ],
)
def test_refuses_options(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        FileToImaged(**options)
