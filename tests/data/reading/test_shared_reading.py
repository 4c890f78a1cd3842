"""One rule for all files of a data set: kinds of values, orientation, proportions."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from monai_distill.data.datasets import ImageFolderDataset
from monai_distill.data.reading import FileToImaged
from monai_distill.data.reading.shared_reading import shared_reading
from tests.data.conftest import write_dicom

from .files import changed_dicom, dicom_file, nibabel_file, read, reoriented

GRAY = np.random.RandomState(0).randint(0, 256, (8, 8)).astype(np.uint8)


def write_eight_bit(path: Path) -> Path:
    Image.fromarray(GRAY).save(path.with_suffix(".png"))
    return path.with_suffix(".png")


def write_deep(path: Path) -> Path:
    Image.fromarray(GRAY.astype(np.uint16) * 16).save(path.with_suffix(".png"))
    return path.with_suffix(".png")


def write_hounsfield(path: Path) -> Path:
    return changed_dicom(path.parent, "CT_small.dcm", lambda dataset: None, to=f"{path.name}.dcm")


def write_without_slope(path: Path) -> Path:
    def change(dataset: object) -> None:
        del dataset.RescaleSlope, dataset.RescaleIntercept  # type: ignore[attr-defined]

    return changed_dicom(path.parent, "CT_small.dcm", change, to=f"{path.name}.dcm")


def write_rescaled(path: Path) -> Path:
    write_dicom(path.with_suffix(".dcm"), GRAY, RescaleSlope=2, RescaleIntercept=-5)
    return path.with_suffix(".dcm")


KINDS = {
    "8-bit": write_eight_bit,
    "stored": write_deep,
    "hounsfield": write_hounsfield,
    "rescaled": write_rescaled,
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_is_decided_once(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path / "a")
    reader, lines = shared_reading(FileToImaged(), [str(path)])
    assert reader.values == kind
    assert json.loads(json.dumps(reader.to_dict()))["values"] == kind
    assert FileToImaged(**reader.to_dict()).to_dict() == reader.to_dict()
    assert bool(lines) == (kind != "8-bit")
    assert ("-1000 to 1000" in " ".join(lines)) == (kind == "hounsfield")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (write_eight_bit, write_deep),
        (write_hounsfield, write_without_slope),
        (write_deep, write_rescaled),
        (write_eight_bit, write_hounsfield),
    ],
)
def test_a_mixture_is_refused_unless_a_window_settles_it(first: object, second: object, tmp_path: Path) -> None:
    paths = [str(first(tmp_path / "a")), str(second(tmp_path / "b"))]  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"one kind of values, got 1 with .*; 1 with .*intensity_range") as refused:
        shared_reading(FileToImaged(), paths)
    assert all(Path(path).name in str(refused.value) for path in paths)
    reader, _ = shared_reading(FileToImaged(intensity_range=(0, 4095)), paths)
    assert reader.values is None
    assert all(0 <= float(reader({"image": path})["image"].max()) <= 1 for path in paths)


def test_a_later_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    reader, _ = shared_reading(FileToImaged(), [str(write_eight_bit(tmp_path / "a"))])
    with pytest.raises(ValueError, match="as decided for the data set, got values of more than 8 bits"):
        reader({"image": str(write_deep(tmp_path / "b"))})


def test_kinds_are_compared_across_sections(tmp_path: Path) -> None:
    for number, part in enumerate(["train/a", "train/b", "val/a", "val/b", "test/a", "test/b"]):
        (tmp_path / part).mkdir(parents=True)
        write = write_deep if part == "test/b" else write_eight_bit
        for copy in range(2):
            write(tmp_path / part / f"{number}{copy}")
    with pytest.raises(ValueError, match=r"10 with values of up to 8 bits.*2 with values of more than 8 bits"):
        ImageFolderDataset(tmp_path, "training")
    dataset = ImageFolderDataset(tmp_path, "training", reading=FileToImaged(intensity_range=(0, 255)))
    assert dataset.provenance["reading"]["intensity_range"] == [0, 255]


def test_orientations_are_reported_and_unknown_ones_not_mixed_in(tmp_path: Path) -> None:
    anatomical = nibabel.load(nibabel_file("anatomical.nii"))
    paths = [str(reoriented(anatomical, codes, tmp_path / f"{codes}.nii")) for codes in ("LAS", "PIR", "LAS")]
    line = next(line for line in shared_reading(FileToImaged(), [*paths, paths[0]])[1] if "orientation" in line)
    assert "RAS" in line
    assert "1 stored as PIR" in line
    stored = shared_reading(FileToImaged(orientation="stored"), paths)[1]
    assert any("as they are stored" in line and "differ" in line for line in stored)
    silent = nibabel.Nifti1Image(np.asarray(anatomical.dataobj), None)
    nibabel.save(silent, tmp_path / "silent.nii")
    with pytest.raises(ValueError, match=r"1 of 3 that do not, such as silent.nii.*--orientation stored"):
        shared_reading(FileToImaged(), [*paths, str(tmp_path / "silent.nii")])
    lines = shared_reading(FileToImaged(), [str(tmp_path / "silent.nii")])[1]
    assert any("None of 1 volumes tells its orientation" in line for line in lines)


WIDE = np.zeros((4, 8), np.uint8)
WIDE[:, 2:6] = 255


@pytest.mark.parametrize(
    ("fit", "expected", "word"),
    [
        ("stretch", [[0, 1, 1, 0]] * 4, "stretched"),
        ("pad", [[0] * 4, [0, 1, 1, 0], [0, 1, 1, 0], [0] * 4], "padded"),
        ("crop", [[1] * 4] * 4, "cropped"),
    ],
)
def test_the_change_of_proportions_is_reported(fit: str, expected: list[list[int]], word: str, tmp_path: Path) -> None:
    Image.fromarray(WIDE).save(tmp_path / "a.png")
    Image.fromarray(GRAY).save(tmp_path / "square.png")
    paths = [str(tmp_path / "a.png"), str(tmp_path / "square.png")]
    reader, lines = shared_reading(FileToImaged(image_size=4, fit=fit), paths)  # type: ignore[arg-type]
    image = reader({"image": paths[0]})["image"][0]
    # anti-aliasing softens the edges of the bar where it is made smaller
    assert (image > 0.5).tolist() == torch.tensor(expected).bool().tolist()
    assert len(lines) == 1
    assert lines[0].startswith("1 of 2 images, such as a.png (4 x 8), are ")
    assert word in lines[0]


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", "png"), ("LA", "png"), ("RGBA", "tif"), ("P", "png")])
def test_alpha_that_is_left_out_is_reported(mode: str, suffix: str, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.{suffix}") for name in ("clear", "plain")]
    clear = Image.fromarray(GRAY).convert(mode)
    clear.save(paths[0], **({"transparency": 0} if mode == "P" else {}))
    Image.fromarray(GRAY).save(paths[1])
    lines = shared_reading(FileToImaged(), paths)[1]
    assert [line.partition(", which")[0] for line in lines] == [
        f"1 of 2 images, such as clear.{suffix}, store an alpha channel"
    ]


def test_square_and_unreadable_images_are_not_reported(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    assert shared_reading(FileToImaged(image_size=4), [str(tmp_path / "a.png"), str(tmp_path / "b.png")])[1] == []


def test_fit_and_pixdim_exclude_each_other() -> None:
    with pytest.raises(ValueError, match=r"fit as one of \['stretch', 'pad', 'crop'\], got 'squeeze'"):
        FileToImaged(fit="squeeze")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected fit or pixdim"):
        FileToImaged(fit="pad", pixdim=(1, 1))


def test_spacing_follows_the_fit(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", WIDE, PixelSpacing=[1, 1])
    spacing = {fit: FileToImaged(4, fit=fit).spacing_of(str(tmp_path / "a.dcm")) for fit in ("stretch", "pad", "crop")}
    assert spacing == {"stretch": (1, 2), "pad": (2, 2), "crop": (1, 1)}


def test_an_image_is_the_same_whichever_way_its_rule_was_chosen() -> None:
    path = str(dicom_file("CT_small.dcm"))
    assert np.array_equal(read(path), read(path, values="hounsfield"))
