"""The size of a voxel as files tell it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from monai_distill.data.reading import FileToImaged
from monai_distill.data.reading.stored_image import file_header

Tools = dict[str, Callable[..., Any]]


def nifti(path: Path, shape: tuple[int, ...], zooms: tuple[float, ...], unit: str | None = None) -> str:
    made = nibabel.Nifti1Image(np.zeros(shape, np.float32), np.diag([*zooms, 1.0]))
    if unit:
        made.header.set_xyzt_units(unit)
    made.to_filename(path)
    return str(path)


@pytest.mark.parametrize(
    ("shape", "zooms", "unit", "expected"),
    [
        ((4, 5, 6), (0.5, 1, 3), "mm", (0.5, 1, 3)),
        ((4, 5, 6), (0.5, 1, 3), None, (0.5, 1, 3)),
        ((4, 5, 6), (1, 1, 1), "mm", (1, 1, 1)),
        ((4, 5, 6), (1, 1, 1), None, None),  # what a header says that nobody filled in
        ((4, 5, 6), (500, 1000, 3000), "micron", (0.5, 1, 3)),
        ((4, 5, 6, 2), (0.5, 1, 3), "mm", (0.5, 1, 3)),  # channels have no size
        ((4, 5, 1), (0.5, 1, 3), "mm", (0.5, 1)),  # a slice is 2D
    ],
)
def test_nifti_tells_millimeters_in_the_order_of_its_axes(
    shape: tuple[int, ...],
    zooms: tuple[float, ...],
    unit: str | None,
    expected: tuple[float, ...] | None,
    tmp_path: Path,
) -> None:
    path = nifti(tmp_path / "a.nii.gz", shape, zooms, unit)
    header = file_header(path)
    sides, spacing = header.shape, header.spacing
    assert sides == shape[: len(sides)]
    assert spacing == (expected if expected is None else pytest.approx(expected))
    assert tuple(FileToImaged()({"image": path})["image"].shape[1:]) == sides


def test_dicom_tells_it_and_pictures_do_not(tmp_path: Path, tools: Tools) -> None:
    tools["dicom"](tmp_path / "a.dcm", tools["pixels"](4, 6), PixelSpacing=[0.2, 0.3])
    tools["dicom"](tmp_path / "detector.dcm", tools["pixels"](4, 6), ImagerPixelSpacing=[0.2, 0.3])
    tools["image"](tmp_path / "a.png")
    headers = {name: file_header(str(tmp_path / name)) for name in ("a.dcm", "detector.dcm", "a.png")}
    assert headers["a.dcm"].shape == headers["detector.dcm"].shape == (4, 6)
    assert headers["a.dcm"].spacing == (0.2, 0.3)
    assert headers["detector.dcm"].spacing is None
    assert headers["a.png"].spacing is None


def test_resizing_changes_the_size_of_a_voxel_and_not_that_of_the_whole(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", (16, 8, 4), (0.5, 1, 3), "mm")
    assert FileToImaged().spacing_of(path) == (0.5, 1, 3)
    assert FileToImaged(8).spacing_of(path) == (1, 1, 1.5)
    assert FileToImaged((4, 8, 2)).spacing_of(path) == (2, 1, 6)
    assert FileToImaged((4, 8, 2), pixdim=(1, 1, 2)).spacing_of(path) == (1, 1, 2)


def test_resampled_a_voxel_is_what_was_asked_for(tmp_path: Path) -> None:
    """A ramp in millimeters along each axis keeps its slope, whatever the grid was."""
    for zooms, shape in (((0.5, 1, 3), (40, 20, 8)), ((1, 2, 1.5), (20, 10, 16))):
        places = np.stack(np.meshgrid(*(np.arange(n) * z for n, z in zip(shape, zooms, strict=True)), indexing="ij"))
        for axis in range(3):
            nibabel.Nifti1Image(places[axis].astype(np.float32), np.diag([*zooms, 1])).to_filename(tmp_path / "a.nii")
            item = {"image": str(tmp_path / "a.nii")}
            read = FileToImaged(8, pixdim=(1, 1, 2), intensity_range=(0, 100))(item)["image"]
            assert tuple(read.shape) == (1, 8, 8, 8)
            slopes = 100 * np.diff(read[0].numpy(), axis=axis)
            inner = slopes[2:-2, 2:-2, 2:-2]
            assert inner == pytest.approx(np.full_like(inner, (1, 1, 2)[axis]), rel=1e-3)


def test_a_smaller_volume_is_filled_up_with_nothing(tmp_path: Path) -> None:
    made = nibabel.Nifti1Image(np.arange(1, 28, dtype=np.float32).reshape(3, 3, 3), np.diag([2.0, 2, 2, 1]))
    made.to_filename(tmp_path / "a.nii")
    read = FileToImaged(5, pixdim=(2, 2, 2), intensity_range=(0, 27))({"image": str(tmp_path / "a.nii")})["image"]
    assert read[0, 1:4, 1:4, 1:4].numpy() * 27 == pytest.approx(made.get_fdata(), abs=1e-4)
    assert float(read.sum() - read[0, 1:4, 1:4, 1:4].sum()) == 0


@pytest.mark.parametrize("pixdim", [(1, 1), (1, 1, 1)])
def test_what_does_not_tell_its_spacing_is_not_resampled(pixdim: tuple[float, ...], tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", (4, 5, 6), (1, 1, 1))
    with pytest.raises(ValueError, match="a file that tells its spacing"):
        FileToImaged(4, pixdim=pixdim)({"image": path})
    with pytest.raises(ValueError, match="pixdim as millimeters above 0"):
        FileToImaged(4, pixdim=(1, 0, 1))
