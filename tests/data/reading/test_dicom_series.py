"""A folder of DICOM slices: order, spacing, and what is no single series."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch

from monai_distill.data.reading import FileToImaged
from monai_distill.data.reading.dicom_series import DicomSeries
from monai_distill.data.reading.read_as_trained import image_files
from tests.data.volumes import write_series

AXIAL, SAGITTAL = (1.0, 0, 0, 0, 1, 0), (0.0, 1, 0, 0, 0, -1)
TILTED = (1.0, 0, 0, 0, float(np.cos(0.3)), float(np.sin(0.3)))


@pytest.fixture
def volume() -> np.ndarray:
    values = np.random.RandomState(0).randint(0, 1000, (5, 4, 6)).astype(np.uint16)
    values[0, 0, 0], values[4, 3, 5] = 0, 1000
    return values


def changed(folder: Path, name: str, **tags: object) -> None:
    stored = pydicom.dcmread(folder / name)
    for tag, value in tags.items():
        setattr(stored, tag, value)
    stored.save_as(folder / name)


@pytest.mark.parametrize("directions", [AXIAL, SAGITTAL, TILTED])
def test_slices_come_in_the_order_of_space_with_their_distance(
    directions: tuple[float, ...], volume: np.ndarray, tmp_path: Path
) -> None:
    folder = write_series(tmp_path / "series", volume, (0.7, 0.9, 2.5), directions)
    (folder / "README").write_text("not a slice")
    read = FileToImaged(orientation="stored")({"image": str(folder)})["image"]
    torch.testing.assert_close(read[0], torch.from_numpy(volume.astype(np.float32)) / 1000)
    series = DicomSeries.of(folder)
    assert series.shape == (5, 4, 6)
    assert series.spacing == pytest.approx((0.7, 0.9, 2.5))


def test_units_and_windows_hold_for_every_slice(volume: np.ndarray, tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct", volume, (1, 1, 1), AXIAL, RescaleSlope=2, RescaleIntercept=-1000)
    read = FileToImaged(intensity_range=(-1000, 1000), orientation="stored")({"image": str(folder)})["image"]
    torch.testing.assert_close(read[0], torch.from_numpy(volume.astype(np.float32) / 1000))


def test_numbers_do_where_positions_are_not_known(volume: np.ndarray, tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", volume, (1, 1, 1), AXIAL)
    for number, path in enumerate(sorted(folder.iterdir())):  # the names run against the order
        stored = pydicom.dcmread(path)
        del stored.ImagePositionPatient
        stored.InstanceNumber, stored.SpacingBetweenSlices = 6 - number, 4
        stored.save_as(path)
    assert [path.name for path in DicomSeries.of(folder).files] == [f"IM{n:04d}" for n in (6, 5, 4, 3, 2, 1)]
    assert DicomSeries.of(folder).spacing == (1, 1, 4)
    changed(folder, "IM0001", InstanceNumber=5)
    with pytest.raises(ValueError, match="a position or a different number"):
        DicomSeries.of(folder)


def test_what_is_no_single_whole_series_is_refused(volume: np.ndarray, tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", volume, (1, 1, 2), AXIAL)
    (folder / "IM0003").rename(tmp_path / "IM0003")
    with pytest.raises(ValueError, match=r"equally far apart, got 2 to 4 mm in series: a slice is missing"):
        DicomSeries.of(folder)
    (tmp_path / "IM0003").rename(folder / "IM0003")
    changed(folder, "IM0002", PixelSpacing=[1, 3])
    with pytest.raises(ValueError, match="one PixelSpacing, got several in series"):
        DicomSeries.of(folder)
    changed(folder, "IM0002", PixelSpacing=[1, 1], SeriesInstanceUID="1.2.3")
    with pytest.raises(ValueError, match="one series per folder, got 2"):
        DicomSeries.of(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="got none in empty"):
        DicomSeries.of(tmp_path / "empty")


def test_a_folder_of_series_and_volumes_is_classified_volume_by_volume(volume: np.ndarray, tmp_path: Path) -> None:
    for name in ("b", "a/deep"):
        write_series(tmp_path / "scans" / name, volume, (1, 1, 1), AXIAL)
    (tmp_path / "scans" / "a" / "c.nii.gz").touch()
    assert [item["name"] for item in image_files(tmp_path / "scans", 3)] == ["a/c.nii.gz", "a/deep", "b"]
