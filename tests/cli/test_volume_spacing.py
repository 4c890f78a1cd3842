"""Volumes from a table through run and export: what a voxel of the released NIfTI measures."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_distill.export.release import Verification
from monai_distill.export.release.formats.reading import read_release
from tests.configs.command import Outcome, command, read
from tests.data.volumes import shaped, write_series

Write = Callable[[Path, np.ndarray, int], str]
SPLIT = ["train"] * 12 + ["val"] * 2 + ["test"] * 2
SAGITTAL = (0.0, 1, 0, 0, 0, -1)
SIZE = ("--spatial_dims", "3", "--image_size", "[8, 8, 4]")


def nifti(zooms: tuple[float, float, float], other: tuple[float, float, float] | None = None) -> Write:
    def write(root: Path, volume: np.ndarray, number: int) -> str:
        sides = zooms if other is None or number % 4 else other
        made = nibabel.Nifti1Image(volume, np.diag([*sides, 1]))
        made.header.set_xyzt_units("mm")
        made.to_filename(root / f"v{number:02d}.nii.gz")
        return f"v{number:02d}.nii.gz"

    return write


def series(root: Path, volume: np.ndarray, number: int) -> str:
    stored = ((volume - volume.min()) * 100).astype(np.uint16)
    return write_series(root / f"s{number:02d}", stored, (0.7, 0.9, 2.5), SAGITTAL).name


def table(root: Path, write: Write) -> Path:
    """32 volumes of 16 x 8 x 4 voxels, two classes."""
    root.mkdir()
    rows = ["image,label,split"]
    for number in range(32):
        volume = shaped(("ball", "cross")[number % 2], 16, 0.3, number)[:, ::2, ::4]
        rows.append(f"{write(root, volume, number)},{('ball', 'cross')[number % 2]},{SPLIT[number // 2]}")
    (root / "scans.csv").write_text("\n".join(rows))
    return root


def run(folder: Path, data: Path, *words: str) -> None:
    given = ("--dataset", "table", "--dataset_dir", data, "--dataset_file", "scans.csv", "--method", "dm", *SIZE)
    fast = ("--batch_per_class", "12", "--depth", "1", "--width", "4", "--device", "cpu", "--iterations", "2")
    small = ("--validate_every", "2", "--evaluation_steps", "2", "--full_steps", "2", "--students", "1")
    least = ("--full_students", "1", "--validation_steps", "2", "--validation_students", "1", "--output_dir", folder)
    outcome = command("run", *given, *fast, *small, *least, *words)
    assert outcome.code == 0, outcome.err


def export(folder: Path, to: Path, *words: str) -> Outcome:
    license = folder.parent / "license"
    license.write_text("Data-use agreement")
    return command("export", folder, "--to", to, "--no_claim", "--license", license, *words)


def zooms(release: Path) -> tuple[list[float], str]:
    """Voxel size of the released volumes, as nibabel reads them; one size in all."""
    found = [nibabel.load(path) for path in sorted((release / "nifti").iterdir())]
    assert len(found) == 2
    for image in found:
        assert image.shape == (8, 8, 4)
        assert np.allclose(image.affine, np.diag([*image.header.get_zooms(), 1]))
        assert np.allclose(image.affine, found[0].affine)
    assert Verification.of(release).problems == ()
    assert read_release(release, "nifti").images.shape == (2, 1, 8, 8, 4)
    return [float(side) for side in found[0].header.get_zooms()], found[0].header.get_xyzt_units()[0]


@pytest.mark.parametrize(
    ("write", "expected"),
    # 16 x 8 x 4 became 8 x 8 x 4; the slices of the series are sagittal, so its axes in RAS are 4 x 8 x 16
    [(nifti((0.5, 1.0, 3.0)), [1.0, 1.0, 3.0]), (series, [1.25, 0.9, 2.8])],
    ids=["NIfTI", "DICOM series"],
)
def test_a_voxel_is_as_large_as_resizing_made_those_of_the_source(
    write: Write, expected: list[float], tmp_path: Path
) -> None:
    run(tmp_path / "run", table(tmp_path / "scans", write))
    assert read(tmp_path / "run", "manifest.json")["source"]["spacing"]["millimeters"] == pytest.approx(expected)
    outcome = export(tmp_path / "run", tmp_path / "release")
    assert outcome.code == 0, outcome.err
    sides, unit = zooms(tmp_path / "release")
    assert sides == pytest.approx(expected)
    assert unit == "mm"
    card = (tmp_path / "release" / "DATA_CARD.md").read_text()
    assert f"A voxel is {' x '.join(f'{side:g}' for side in expected)} mm (of the files, times the factor" in card


def test_volumes_that_differ_are_not_exported_with_a_made_up_size_but_resampled_to_one(tmp_path: Path) -> None:
    data = table(tmp_path / "scans", nifti((0.5, 1.0, 3.0), other=(1.0, 1.0, 3.0)))
    run(tmp_path / "run", data)
    refused = export(tmp_path / "run", tmp_path / "release")
    assert refused.code == 1
    assert "differs: 1 x 1 x 3 to 2 x 1 x 3 mm" in refused.err
    assert "--pixdim" in refused.err
    assert not (tmp_path / "release").exists()
    assert export(tmp_path / "run", tmp_path / "without", "--formats", "safetensors,npz").code == 0

    run(tmp_path / "resampled", data, "--pixdim", "[1, 1.5, 4]")
    outcome = export(tmp_path / "resampled", tmp_path / "release")
    assert outcome.code == 0, outcome.err
    assert zooms(tmp_path / "release") == ([1.0, 1.5, 4.0], "mm")
