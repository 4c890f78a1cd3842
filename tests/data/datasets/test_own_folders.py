"""Folders as people keep them, case by case: what is read, left out with a count, or refused by name."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monai_distill.data.datasets import ImageFolderDataset
from tests.data.conftest import pixels, write_dicom, write_image

SECTIONS = ("training", "validation", "test")


def tree(root: Path, paths: Sequence[str], seed: int = 0) -> Path:
    for i, path in enumerate(paths):
        if path.endswith((".png", ".bmp")):
            write_image(root / path, (4, 4), seed=seed + i)
        elif path.endswith(".dcm") or "." not in path.rpartition("/")[2]:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            write_dicom(root / path, pixels(4, 4, seed=seed + i), PatientID=f"id{i // 2}", StudyInstanceUID="1.2.3")
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("x")
    return root


def sections(root: Path, **options: Any) -> dict[str, ImageFolderDataset]:
    return {name: ImageFolderDataset(root, name, cache_rate=0.0, **options) for name in SECTIONS}


def total(parts: dict[str, ImageFolderDataset]) -> int:
    return sum(len(part) for part in parts.values())


def patients(parts: dict[str, ImageFolderDataset]) -> set[Any]:
    return {item.get("patient") for part in parts.values() for item in part.data}


FLAT = [f"{c}/{i}.png" for c in "ab" for i in range(8)]


@pytest.mark.parametrize(
    "layout",
    ["{c}/{i}.png", "{c}/images/{i}.png", "{c}/x/images/{i}.png", "{c}/one/two/three/{i}.png", "{c}/{i}/scan.png"],
)
def test_images_at_any_depth(tmp_path: Path, layout: str) -> None:
    parts = sections(tree(tmp_path, [layout.format(c=c, i=i) for c in "ab" for i in range(8)]))
    assert total(parts) == 16
    assert parts["test"].class_names == ("a", "b")


def test_folders_below_classes_are_patients(tmp_path: Path) -> None:
    tree(tmp_path, [f"{c}/{c}{p}/images/{i}.png" for c in "ab" for p in range(4) for i in range(2)])
    parts = sections(tmp_path)
    assert patients(parts) == {f"{c}{p}" for c in "ab" for p in range(4)}
    assert any("8" in note and "--patient_folders false" in note for note in parts["training"].notes)
    without = sections(tmp_path, patient_folders=False)
    assert patients(without) == {None}
    assert without["training"].unused_patients == ("folders below the classes",)


def test_one_name_in_two_classes_is_one_patient(tmp_path: Path) -> None:
    parts = sections(tree(tmp_path, [f"{c}/patient{p}/{i}.png" for c in "ab" for p in range(4) for i in range(2)]))
    assert patients(parts) == {f"patient{p}" for p in range(4)}


def test_images_next_to_folders_of_patients(tmp_path: Path) -> None:
    tree(tmp_path, [*FLAT, *(f"{c}/patient{p}/{i}.png" for c in "ab" for p in range(3) for i in range(2))])
    parts = sections(tmp_path)
    assert total(parts) == 28
    assert len(patients(parts)) == 16 + 3
    assert parts["training"].unused_patients == ("folders below the classes",)  # no guarantee by patient
    with pytest.raises(ValueError, match="16 image"):
        sections(tmp_path, patient_folders=True)


@pytest.mark.parametrize(
    ("masks", "count"),
    [
        ([f"{c}/{i}_mask.png" for c in "ab" for i in range(8)], 16),
        ([f"{c}/{i}_mask_1.png" for c in "ab" for i in range(8)], 16),
        ([f"{c}/{i}-Segmentation.png" for c in "ab" for i in range(8)], 16),
        ([f"{c}/mask_{i}.png" for c in "ab" for i in range(8)], 16),
        ([f"{c}/masks/{i}.png" for c in "ab" for i in range(8)], 16),
        ([f"{c}/Ground Truth/{i}.png" for c in "ab" for i in range(8)], 16),
        (["a/0_mask.png"], 1),
    ],
)
def test_masks_are_left_out_and_counted(tmp_path: Path, masks: list[str], count: int) -> None:
    parts = sections(tree(tmp_path, [*FLAT, *masks]))
    assert total(parts) == 16
    assert parts["training"].left_out == {"masks": count}


def test_a_mask_that_belongs_to_no_image_is_an_image_with_a_warning(tmp_path: Path) -> None:
    tree(tmp_path, [*FLAT, "a/oxygen_mask.png"])
    with pytest.warns(UserWarning, match=r"1 file.*oxygen_mask.png"):
        assert total(sections(tmp_path)) == 17


def test_other_files_are_counted(tmp_path: Path) -> None:
    tree(
        tmp_path,
        [*FLAT, "a/notes.txt", "b/deep/er/x.webp", "cover.png", "a/Thumbs.db", "a/.hidden.png", "__MACOSX/a/1.png"],
    )
    assert sections(tmp_path)["training"].left_out == {
        ".txt files": 1,
        ".webp files": 1,
        "images in no class folder": 1,
    }
    chosen = sections(tree(tmp_path, ["c/0.png", "c/1.png"], seed=50), class_names=["a", "b"])
    assert chosen["training"].left_out["images of folders outside class_names"] == 2


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("train", "val", "test"), (16, 16, 16)),
        (("Training", "Validation", "Testing"), (16, 16, 16)),
        (("train_set", "dev", "test_set"), (16, 16, 16)),
        (("TRAIN", "valid", "hold-out"), (16, 16, 16)),
    ],
)
def test_split_folders(tmp_path: Path, names: Sequence[str], sizes: tuple[int, ...]) -> None:
    for seed, name in enumerate(names):
        tree(tmp_path / name, FLAT, seed=100 * seed)
    assert tuple(len(part) for part in sections(tmp_path).values()) == sizes


@pytest.mark.parametrize(
    ("folders", "says"),
    [
        (("train", "test", "external"), r"class folders \['external'\]"),
        (("train", "test", "eval"), r"\['eval'\]"),
        (("train", "test", "test2"), r"\['test2'\]"),
        (("train", "val", "test", "holdout"), "'holdout' and 'test'"),
        (("fold1", "fold2", "fold3"), "look like a split"),
        (("train", "val"), "'test' is empty"),
    ],
)
def test_split_folders_that_are_refused_by_name(tmp_path: Path, folders: Sequence[str], says: str) -> None:
    for seed, name in enumerate(folders):
        tree(tmp_path / name, FLAT, seed=100 * seed)
    with pytest.raises(ValueError, match=says):
        sections(tmp_path)


@pytest.mark.parametrize(
    ("paths", "error", "says"),
    [
        ([f"chest/{part}/{path}" for part in ("train", "test") for path in FLAT], ValueError, "--dataset_dir .*chest"),
        ([f"data/{path}" for path in FLAT], ValueError, "--dataset_dir .*data, which holds .'a', 'b'."),
        (
            [f"site{s}/{k}/{i}.png" for s in "xy" for k in ("brick", "grass") for i in range(4)],
            ValueError,
            "'brick', 'grass'",
        ),
        (
            [f"{c}/{part}/{i}.png" for c in "ab" for part in ("train", "test") for i in range(4)],
            ValueError,
            "inside class",
        ),
        ([f"{k}/{i}.png" for k in ("images", "masks") for i in range(4)], ValueError, "named for their content"),
        ([f"{c}/{i}.webp" for c in "ab" for i in range(8)], RuntimeError, r"a \(8 .webp files\), b \(8 .webp files\)"),
        ([f"{i}.png" for i in range(8)], RuntimeError, "8 images in none of them"),
    ],
)
def test_layouts_that_are_refused(tmp_path: Path, paths: list[str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        sections(tree(tmp_path, paths))


def test_a_copy_of_the_data_in_the_data_is_refused_by_name(tmp_path: Path) -> None:
    for part in ("train", "test", "again/train", "again/test"):
        tree(tmp_path / part, FLAT)
    with pytest.raises(ValueError, match="again holds split folders itself"):
        sections(tmp_path)


@pytest.mark.parametrize("layout", ["{c}/{i}.dcm", "{c}/IM{i:04d}", "{c}/case/1.2.840.{i}"])
def test_patients_of_dicom_headers(tmp_path: Path, layout: str) -> None:
    root = tmp_path / "data"
    for c in "ab":
        for i in range(8):
            path = root / layout.format(c=c, i=i)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_dicom(path, pixels(4, 4, seed=i + 100 * ord(c)), PatientID=f"secret{i // 2}{c}")
    parts = sections(root)
    assert len(patients(parts)) == 8
    assert "secret" not in repr([part.data + list(part.notes) + [part.provenance] for part in parts.values()])
    assert any("headers (8)" in note for note in parts["training"].notes)
    assert patients(sections(root, dicom_patients=False)) <= {None, "case"}


def test_one_patient_in_all_headers_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for c in "ab":
        for i in range(8):
            (tmp_path / c).mkdir(exist_ok=True)
            write_dicom(tmp_path / c / f"{i}.dcm", pixels(4, 4, seed=i + 100 * ord(c)), PatientID="ANON")
    with pytest.raises(ValueError, match=r"all 16 images name one patient.*--dicom_patients false"):
        sections(tmp_path)
    assert total(sections(tmp_path, dicom_patients=False)) == 16


def test_headers_without_a_patient_are_grouped_by_study_and_forbid_a_guarantee(tmp_path: Path) -> None:
    for c in "ab":
        for i in range(8):
            (tmp_path / c).mkdir(exist_ok=True)
            facts = {"PatientID": "", "StudyInstanceUID": f"1.2.{ord(c)}.{i // 2}"}
            write_dicom(tmp_path / c / f"{i}.dcm", pixels(4, 4, seed=i + 100 * ord(c)), **facts)
    parts = sections(tmp_path)
    assert len(patients(parts)) == 8
    assert "PatientID" in parts["training"].unused_patients[0]


def test_headers_of_some_files_are_refused(tmp_path: Path) -> None:
    tree(tmp_path, FLAT)
    write_dicom(tmp_path / "a" / "x.dcm", pixels(4, 4), PatientID="p1")
    with pytest.raises(ValueError, match="16 of 17 files name no patient"):
        sections(tmp_path)


def test_names_in_two_unicode_forms_are_one_class(tmp_path: Path) -> None:
    tree(tmp_path, [f"Gr\u00fcn/{i}.png" for i in range(4)])
    tree(tmp_path, [f"Gru\u0308n/{i + 4}.png" for i in range(4)] + [f"rot/{i}.png" for i in range(8)], seed=20)
    parts = sections(tmp_path)
    assert parts["training"].class_names == ("Gr\u00fcn", "rot")
    assert total(parts) == 16
    tree(tmp_path, ["ROT/1.png"], seed=90)
    with pytest.raises(ValueError, match=r"'ROT' .* and 'rot'"):
        sections(tmp_path)
