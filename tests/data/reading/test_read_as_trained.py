"""A folder of mixed files: every file has an image or an error, read as in training."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_distill.data.reading import FileToImaged, LoadImageAsTrainedd
from monai_distill.data.reading.read_as_trained import image_files, trained_reading
from monai_distill.data.reading.shared_reading import shared_reading

from .files import changed_dicom, dicom_file


def write_manifest(folder: Path, shape: list[int], reading: FileToImaged | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    source = {} if reading is None else {"reading": reading.to_dict()}
    (folder / "manifest.json").write_text(json.dumps({"images": {"shape": shape}, "source": source}))
    return folder


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    folder = tmp_path / "mixed"
    (folder / "deep").mkdir(parents=True)
    Image.new("L", (6, 4), 128).save(folder / "gray.png")
    Image.new("RGB", (6, 4), (255, 0, 0)).save(folder / "deep" / "color.JPG")
    (folder / "broken.png").write_bytes((folder / "gray.png").read_bytes()[:40])
    (folder / "notes.txt").write_text("not an image")
    changed_dicom(folder, "CT_small.dcm", lambda dataset: None, to="IM0001")
    changed_dicom(folder, "rtdose.dcm", lambda dataset: None, to="dose")
    (folder / ".DS_Store").write_bytes(b"")
    return folder


def test_every_file_has_an_image_or_an_error(mixed: Path, tmp_path: Path) -> None:
    items = [{**item, "error": ""} for item in image_files(mixed)]
    names = ["IM0001", "broken.png", "deep/color.JPG", "dose", "gray.png", "notes.txt"]
    assert [item["name"] for item in items] == names
    read_item = LoadImageAsTrainedd("image", [1, 8, 8])
    results = [read_item(item) for item in items]
    assert all(result["image"].shape == (1, 8, 8) for result in results)
    errors = {result["name"]: result["error"] for result in results}
    assert {name for name, error in errors.items() if not error} == {"IM0001", "deep/color.JPG", "gray.png"}
    assert "RT Dose Storage" in errors["dose"]
    assert "'.txt'" in errors["notes.txt"]
    assert not any(str(tmp_path) in error for error in errors.values())
    assert bool((results[0]["image"] > 0).any())
    assert not bool(results[1]["image"].any())


def test_inference_does_as_training_did(mixed: Path, tmp_path: Path) -> None:
    reading = FileToImaged(8, intensity_range=(-200, 200), fit="pad", values="hounsfield")
    read_item = LoadImageAsTrainedd("image", [1, 8, 8], reading.to_dict())
    item = {"image": str(dicom_file("CT_small.dcm")), "error": ""}
    assert torch.equal(read_item(item)["image"], reading(item)["image"])
    by_kind = LoadImageAsTrainedd("image", [1, 8, 8], FileToImaged(8, values="hounsfield").to_dict())
    assert "CT in Hounsfield units" in by_kind({"image": str(mixed / "gray.png"), "error": ""})["error"]
    assert by_kind(item)["error"] == ""


def test_an_image_of_another_size_is_an_error_where_training_did_not_resize(mixed: Path, tmp_path: Path) -> None:
    read_item = LoadImageAsTrainedd("image", [1, 4, 6], FileToImaged(values="8-bit").to_dict())
    assert read_item({"image": str(mixed / "gray.png"), "error": ""})["error"] == ""
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(mixed / "other.png")
    assert (
        "[1, 4, 6], as in training, got [1, 5, 6]"
        in read_item({"image": str(mixed / "other.png"), "error": ""})["error"]
    )


def test_without_a_place_for_the_reason_a_file_that_cannot_be_read_is_an_error(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.txt'"):
        LoadImageAsTrainedd("image", [1, 8, 8])({"image": str(mixed / "notes.txt")})
    with pytest.raises(ValueError, match="Expected a folder with image files"):
        image_files(tmp_path / "absent")


def test_a_section_is_read_as_its_set_was(mixed: Path, tmp_path: Path) -> None:
    trained = FileToImaged(8, fit="pad", values="hounsfield")
    folder = write_manifest(tmp_path / "models", [1, 8, 8], trained)
    reading, _ = shared_reading(trained_reading(folder, image_size=8), [str(mixed / "gray.png")])
    assert reading.to_dict() == trained.to_dict()
    with pytest.raises(ValueError, match="expected CT in Hounsfield units"):
        reading({"image": str(mixed / "gray.png")})
    assert trained_reading(tmp_path / "absent", image_size=4).image_size == 4
