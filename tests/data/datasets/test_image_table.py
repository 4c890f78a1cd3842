"""ImageTableDataset: columns, splits, patients, files."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from monai_distill.data.datasets import ImageTableDataset, NPZDataset, SplitRule, TableColumns
from monai_distill.data.reading import FileToImaged

Tools = dict[str, Callable[..., Any]]
SECTIONS = ("training", "validation", "test")


def all_sections(root: Path, table: str = "table.csv", **options: Any) -> dict[str, ImageTableDataset]:
    return {section: ImageTableDataset(root, section, table=table, **options) for section in SECTIONS}


def test_patients_stay_whole(table_root: Path) -> None:
    parts = all_sections(table_root, split=SplitRule(0.25, 0.25))
    patients = {name: {item["patient"] for item in part} for name, part in parts.items()}
    assert sum(len(part) for part in parts.values()) == 24
    assert len(set.union(*patients.values())) == sum(len(part) for part in patients.values()) == 12
    for part in parts.values():
        assert {item["label"] for item in part} == {0, 1}
        assert part.class_names == ("a", "b")
        assert "by patient" in part.provenance["split"]
        assert set(part.provenance["files"]) == {"listing (paths, sizes, labels)", "table.csv"}


def test_split_does_not_depend_on_the_order_of_rows(table_root: Path, tools: Tools) -> None:
    before = [item["image"].sum().item() for item in ImageTableDataset(table_root, "test")]
    rows = (table_root / "table.csv").read_text().splitlines()[1:]
    tools["table"](table_root, rows[::-1], "image,label,patient", "turned.csv")
    assert [item["image"].sum().item() for item in ImageTableDataset(table_root, "test", table="turned.csv")] == before
    other = [item["image"].sum().item() for item in ImageTableDataset(table_root, "test", split=SplitRule(seed=1))]
    assert other != before


def test_split_by_image_and_named_columns(table_root: Path, tools: Tools) -> None:
    tools["table"](table_root, [f"png/{i:02d}.png,{i % 2}" for i in range(24)], "file,finding", "other.csv")
    parts = all_sections(table_root, "other.csv", columns=TableColumns("file", "finding"), split=SplitRule(0.25, 0.25))
    assert {name: len(part) for name, part in parts.items()} == {"training": 12, "validation": 6, "test": 6}
    assert all("patient" not in item for item in parts["training"])
    assert "by image, stratified" in parts["test"].provenance["split"]


def test_given_split(table_root: Path, tools: Tools) -> None:
    names = ["train"] * 12 + ["Validation"] * 6 + ["test"] * 6
    rows = [f"png/{i:02d}.png,{i % 2},p{i},{name}" for i, name in enumerate(names)]
    tools["table"](table_root, rows, "image,label,patient,split")
    parts = all_sections(table_root)
    assert {name: len(part) for name, part in parts.items()} == {"training": 12, "validation": 6, "test": 6}
    assert parts["test"].provenance["split"] == "as given with the data"
    assert parts["test"].provenance["seed"] is None
    tools["table"](table_root, [row.replace("Validation", "train") for row in rows], "image,label,patient,split")
    parts = all_sections(table_root, split=SplitRule(0.25))
    assert len(parts["training"]) + len(parts["validation"]) == 18
    assert len(parts["validation"]) in (4, 5)
    assert "validation split off training" in parts["test"].provenance["split"]


def test_png_and_npz_have_the_same_orientation(tmp_path: Path, tools: Tools) -> None:
    arrays = tools["npz_arrays"]((9, 5, 3))
    np.savez(tmp_path / "a.npz", **arrays)
    rows = []
    for i, image in enumerate(arrays["test_images"]):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{i % 2},test")
    for i in range(2):
        Image.fromarray(arrays["train_images"][i]).save(tmp_path / f"train{i}.png")
        rows += [f"train{i}.png,{i},{'train' if i else 'val'}"]
    tools["table"](tmp_path, rows, "image,label,split")
    from_files, from_npz = ImageTableDataset(tmp_path, "test"), NPZDataset(tmp_path, "test", file="a.npz")
    for i in range(len(arrays["test_images"])):
        assert torch.equal(from_files[i]["image"], from_npz[i]["image"])
        assert from_files[i]["label"] == from_npz[i]["label"]


def test_dicom_and_volumes(tmp_path: Path, tools: Tools) -> None:
    for i in range(9):
        tools["dicom"](tmp_path / f"{i}.dcm", tools["pixels"](8, 8, seed=i))
        nibabel.Nifti1Image(np.random.RandomState(i).rand(4, 5, 6), np.eye(4)).to_filename(tmp_path / f"{i}.nii.gz")
    tools["table"](tmp_path, [f"{i}.dcm,{i % 2}" for i in range(9)], table="dicom.csv")
    tools["table"](tmp_path, [f"{i}.nii.gz,{i % 2}" for i in range(9)], table="volumes.csv")
    dicom = ImageTableDataset(tmp_path, "training", table="dicom.csv", num_workers=3)
    assert tuple(dicom[0]["image"].shape) == (1, 8, 8)
    volumes = ImageTableDataset(tmp_path, "training", table="volumes.csv", reading=FileToImaged((4, 4, 4), channels=1))
    assert tuple(volumes[0]["image"].shape) == (1, 4, 4, 4)
    assert type(volumes[0]["image"]) is torch.Tensor


@pytest.mark.parametrize(
    ("header", "rows", "options", "match"),
    [
        ("image,kind", [], {}, r"lacks the column\(s\) \['label'\], got \['image', 'kind'\]"),
        ("image,label", [], {"columns": TableColumns(split="fold")}, r"lacks the column\(s\) \['fold'\]"),
        ("image,label,site,sex", [], {"columns": TableColumns(groups=["site,sex"])}, r"as a list: \[site,sex\]"),
        (
            "image,label",
            ["png/00.png,a", "png/01.png,x"],
            {"class_names": ["a", "b"]},
            r"got 'x' in row 3 of table.csv",
        ),
        ("image,label", ["png/00.png,a", "png/01.png,a"], {}, "at least two classes"),
        (
            "image,label,split",
            ["png/00.png,a,eval", "png/01.png,b,train"],
            {},
            "column 'split', which looks like a split and holds eval",
        ),
        ("image,label,patient", ["png/00.png,a,p", "png/01.png,b,"], {}, r"no patient.*\['row 3 of table.csv'\]"),
        ("image,label", ["png/00.png,a", "png/00.png,b"], {}, "png/00.png is listed twice.*row 2.*row 3"),
        (
            "image,label,patient,split",
            ["png/00.png,a,p7,train", "png/01.png,b,p7,test"],
            {"split": SplitRule(0.5)},
            r"1 patient\(s\) appear in more than one section.*'p7' in test and",
        ),
        ("image,label,split", ["png/00.png,a,val", "png/01.png,b,val"], {}, "'training' is empty.*val 2"),
        ("image,label", ["png/00.png,a", "png/01.png,b"], {"split": SplitRule(0.9, 0.3)}, "sum to 1, got"),
    ],
)
def test_refuses(
    table_root: Path, tools: Tools, header: str, rows: list[str], options: dict[str, Any], match: str
) -> None:
    tools["table"](table_root, rows, header)
    with pytest.raises(ValueError, match=match):
        ImageTableDataset(table_root, "training", **options)


def test_refuses_an_empty_table(table_root: Path) -> None:
    (table_root / "table.csv").write_text("")
    with pytest.raises(ValueError, match=r"cannot read .*table.csv as a CSV table"):
        ImageTableDataset(table_root, "training")


def test_lists_missing_files(table_root: Path) -> None:
    for i in range(5):
        (table_root / "png" / f"{i:02d}.png").unlink()
    expected = r"Cannot find 5 of 24 listed files under .*such as \['png/00.png', 'png/01.png', 'png/02.png'\]"
    with pytest.raises(RuntimeError, match=expected):
        ImageTableDataset(table_root, "test")


@pytest.mark.parametrize("cache_rate", [0.0, 1.0])
def test_names_an_unreadable_file(table_root: Path, cache_rate: float) -> None:
    for path in (table_root / "png").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(RuntimeError, match=r"failed on image file .*png/\d\d.png \(section 'test'\): .*may be damaged"):
        ImageTableDataset(table_root, "test", cache_rate=cache_rate)[0]


def test_names_two_files_of_different_size(table_root: Path, tools: Tools) -> None:
    for i in range(0, 24, 3):
        tools["image"](table_root / "png" / f"{i:02d}.png", (10, 7), seed=i)
    expected = r"\d\d.png has \[channels, \*spatial\] \[1, .*\] and \d\d.png has \[1, .*pass image_size"
    with pytest.raises(ValueError, match=expected):
        ImageTableDataset(table_root, "training")
    dataset = ImageTableDataset(table_root, "training", reading=FileToImaged((5, 4), channels=3))
    assert {tuple(item["image"].shape) for item in dataset} == {(3, 5, 4)}
    assert len(ImageTableDataset(table_root, "training", runtime_cache=True)) == len(dataset)


def test_splits_real_x_rays_by_patient(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "covid_cxr_open.zip") as archive:
        archive.extractall(tmp_path)
    columns = TableColumns("file", "kind", "patientid")
    lines = (tmp_path / "metadata.csv").read_text(encoding="utf-8").splitlines()
    kinds = [line.split("/", 1)[0] for line in lines[1:]]
    table = [f"kind,{lines[0]}", *(f"{kind},{line}" for kind, line in zip(kinds, lines[1:], strict=True))]
    (tmp_path / "kinds.csv").write_text("\n".join(table), encoding="utf-8")
    parts = all_sections(tmp_path, "kinds.csv", reading=FileToImaged(32, channels=1), columns=columns)
    assert sum(len(part) for part in parts.values()) == 268
    assert parts["training"].class_names == ("COVID", "Other")
    patients = [{item["patient"] for item in part} for part in parts.values()]
    assert len(set.union(*patients)) == sum(len(part) for part in patients)
    assert abs(len(parts["training"]) / 268 - 0.7) < 0.03
