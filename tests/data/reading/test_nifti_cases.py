"""NIfTI, case by case: nibabel's own files in every orientation, and what their headers leave open."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_distill.data.reading.stored_image import file_header
from tests.data.volumes import write_series

from .files import nibabel_file, read, reoriented, stretched

ANATOMICAL = nibabel.load(nibabel_file("anatomical.nii"))
CODES = st.permutations(["LR", "AP", "SI"]).flatmap(lambda axes: st.tuples(*(st.sampled_from(pair) for pair in axes)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codes=CODES.map("".join), target=st.sampled_from(["RAS", "LPS", "PIR"]))
def test_the_orientation_on_disk_changes_nothing(codes: str, target: str, tmp_path: Path) -> None:
    path = reoriented(ANATOMICAL, codes, tmp_path / "turned.nii.gz")
    expected = nibabel.load(reoriented(ANATOMICAL, target, tmp_path / "expected.nii")).get_fdata()
    assert read(path, orientation=target)[0] == pytest.approx(stretched(expected), abs=1e-5)
    header = file_header(str(path), target)
    assert header.orientation == codes
    assert header.shape == expected.shape


def test_axes_and_sides_turn_together(tmp_path: Path) -> None:
    standard = nibabel.load(nibabel_file("standard.nii.gz"))  # 4 x 5 x 7 voxels of 1 x 3 x 2 mm, RAS
    path = reoriented(standard, "SPL", tmp_path / "a.nii")
    assert file_header(str(path), None).shape == (7, 5, 4)
    assert file_header(str(path), "RAS").shape == (4, 5, 7)
    assert file_header(str(path), "RAS").spacing == pytest.approx((1, 3, 2))
    assert read(path, orientation="stored").shape == (1, 7, 5, 4)


def test_a_file_that_tells_no_direction_is_left_as_it_is(tmp_path: Path) -> None:
    volume = np.random.RandomState(0).rand(4, 5, 6).astype(np.float32)
    image = nibabel.Nifti1Image(volume, None)
    image.header.set_zooms((2, 2, 2))
    nibabel.save(image, tmp_path / "a.nii")
    assert file_header(str(tmp_path / "a.nii")).orientation is None
    assert read(tmp_path / "a.nii")[0] == pytest.approx(stretched(volume), abs=1e-6)


def test_a_series_lies_as_the_volume_that_is_made_from_it(tmp_path: Path) -> None:
    volume = np.random.RandomState(0).randint(0, 1000, (5, 4, 6)).astype(np.uint16)
    sagittal = (0.0, 1, 0, 0, 0, -1)
    folder = write_series(tmp_path / "series", volume, (0.7, 0.9, 2.5), sagittal)
    # rows run from superior to inferior, columns from anterior to posterior, slices along the normal, to the right
    affine = np.array([[0, 0, 2.5, 0], [0, -0.9, 0, 0], [-0.7, 0, 0, 0], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.int16), affine), tmp_path / "a.nii")
    assert read(folder) == pytest.approx(read(tmp_path / "a.nii"), abs=1e-6)
    series, nifti = file_header(str(folder)), file_header(str(tmp_path / "a.nii"))
    assert series.orientation == nifti.orientation == "IPR"
    assert series.shape == nifti.shape == (6, 4, 5)
    assert series.spacing == pytest.approx((2.5, 0.9, 0.7))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_along_any_axis_is_a_2d_image(axis: int, tmp_path: Path) -> None:
    part = np.take(ANATOMICAL.get_fdata(), [7], axis=axis)
    nibabel.save(nibabel.Nifti1Image(part, np.eye(4)), tmp_path / "a.nii")
    assert read(tmp_path / "a.nii")[0] == pytest.approx(stretched(part.squeeze(axis)), abs=1e-5)
    assert len(file_header(str(tmp_path / "a.nii")).spacing or (0, 0)) == 2


def test_names_that_contradict_the_content(tmp_path: Path) -> None:
    content = nibabel_file("anatomical.nii").read_bytes()
    (tmp_path / "packed.nii").write_bytes(gzip.compress(content))
    (tmp_path / "plain.nii.gz").write_bytes(content)
    (tmp_path / "no_suffix").write_bytes(content)
    expected = read(nibabel_file("anatomical.nii"))
    for path in tmp_path.iterdir():
        assert np.array_equal(read(path), expected), path.name


def test_colors_vectors_and_what_is_refused(tmp_path: Path) -> None:
    colors = np.random.RandomState(0).randint(0, 256, (3, 4, 5, 3)).astype(np.uint8)
    fields = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    packed = np.ascontiguousarray(colors).view(fields).reshape(3, 4, 5)
    nibabel.save(nibabel.Nifti1Image(packed, np.eye(4)), tmp_path / "rgb.nii")
    assert read(tmp_path / "rgb.nii") == pytest.approx(np.moveaxis(colors, -1, 0) / 255, abs=1e-6)
    vectors = np.random.RandomState(0).rand(3, 4, 5, 1, 3).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(vectors, np.eye(4)), tmp_path / "vectors.nii")
    assert read(tmp_path / "vectors.nii").shape == (3, 3, 4, 5)
    nibabel.save(nibabel.Nifti1Image(vectors[..., 0, 0] * 1j, np.eye(4)), tmp_path / "complex.nii")
    with pytest.raises(ValueError, match="complex"):
        read(tmp_path / "complex.nii")
    with pytest.raises(ValueError, match="Cifti2Image"):
        read(nibabel_file("row_major.dconn.nii"))
    with pytest.raises(ValueError, match="NaN or infinity"):
        read(nibabel_file("resampled_anat_moved.nii"))
    with pytest.raises(ValueError, match="three letters such as RAS or LPS, or stored, got 'RRS'"):
        read(tmp_path / "rgb.nii", orientation="RRS")
