"""NIfTI files: a header of their own, axes as MONAI reads them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.transforms import LoadImage

from monai_distill.data import SyntheticDataset
from monai_distill.data.reading import FileToImaged
from monai_distill.export.release.formats.nifti import write_nifti
from monai_distill.export.release.formats.reading import read_release
from tests.export.release.conftest import SHAPES, MakeRun


def written(run: Path, spacing: tuple[float, ...] | None = None) -> SyntheticDataset:
    data = SyntheticDataset.load(run)
    write_nifti(data, run, spacing)
    (run / "labels.csv").write_text("number,label,class_name\n1,0,a\n2,0,a\n3,1,b\n4,1,b\n")
    return data


@pytest.mark.parametrize("kind", SHAPES)
def test_read_back_it_is_the_set_in_float32(kind: str, make_run: MakeRun) -> None:
    run = make_run(kind)
    data = written(run)
    held = read_release(run, "nifti")
    assert torch.allclose(held.pixels(), data.pixels(), atol=1e-6)
    assert torch.allclose(held.images, data.images, atol=1e-5)
    assert torch.equal(held.labels, data.labels)


@pytest.mark.parametrize("kind", SHAPES)
def test_this_projects_reader_finds_channels_and_axes(kind: str, make_run: MakeRun) -> None:
    run = make_run(kind)
    data = written(run)
    file = run / "nifti" / "synthetic_0002.nii.gz"
    image = FileToImaged(intensity_range=(-10.0, 10.0))({"image": str(file)})["image"]
    assert torch.allclose(image, (data.pixels()[1] + 10) / 20, atol=1e-5)


def test_monai_reads_a_volume_with_its_spacing(make_run: MakeRun) -> None:
    run = make_run("volume")
    data = written(run, (0.5, 2.0, 3.0))
    image = LoadImage(image_only=True)(run / "nifti" / "synthetic_0001.nii.gz")
    assert np.allclose(image.pixdim, (0.5, 2.0, 3.0))
    assert torch.allclose(image.as_tensor(), data.pixels()[0, 0], atol=1e-6)


def test_the_header_is_fresh_and_says_synthetic(make_run: MakeRun) -> None:
    run = make_run("volume")
    written(run)
    file = run / "nifti" / "synthetic_0001.nii.gz"
    header = nibabel.load(file).header
    assert header["descrip"].item() == b"SYNTHETIC - NOT FOR DIAGNOSIS"
    assert all(header[name].item() == b"" for name in ("aux_file", "intent_name", "db_name", "data_type"))
    assert len(header.extensions) == 0
    assert header.get_xyzt_units()[0] == "unknown"
    assert np.array_equal(nibabel.load(file).affine, np.eye(4))
    assert file.read_bytes()[3:8] == b"\0" * 5  # no name and no time in the gzip header
    assert b"run" not in gzip.decompress(file.read_bytes())[:352]


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0, 1.0), (1.0, 1.0, float("inf"))])
def test_an_impossible_spacing_is_refused(spacing: tuple[float, ...], make_run: MakeRun) -> None:
    with pytest.raises(ValueError, match="spacing of 3 numbers above 0"):
        write_nifti(SyntheticDataset.load(make_run("volume")), make_run("volume"), spacing)
