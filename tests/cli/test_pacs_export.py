"""A folder as a PACS exports it, by the command: every file is accounted for, and none is misread."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import pytest

from monai_distill.data.datasets import ImageFolderDataset, ImageTableDataset
from monai_distill.data.reading import FileToImaged, LoadImageAsTrainedd
from monai_distill.data.reading.read_as_trained import image_files
from tests.configs.command import fast_run
from tests.data.conftest import write_table
from tests.data.pacs_export import COUNTS, write_pacs_export

SECTIONS = ("training", "validation", "test")
CHOSEN = FileToImaged(image_size=8, modalities="CR,DX")


def test_every_file_is_read_or_counted(tmp_path: Path) -> None:
    root, run = tmp_path / "scans", tmp_path / "run"
    write_pacs_export(root)
    words = ("--dataset", "folder", "--dataset_dir", root, "--image_size", "[8,8]")
    mixed = fast_run(run, *words)
    assert (mixed.code, "--modalities CR,DX" in mixed.err) == (1, True)
    assert all(f"{n} of modality {m}" in mixed.err for n, m in ((8, "CR"), (8, "DX"), (5, "CT")))
    outcome = fast_run(run, *words, "--modalities", "CR,DX")
    assert outcome.code == 0, outcome.err
    (line,) = [line for line in outcome.data.splitlines() if "images read" in line]
    assert line.endswith("; left out: " + ", ".join(f"{count} {kind}" for count, kind in COUNTS.items()) + ".")
    count_read = int(re.search(r"(\d+) images read", line)[1])
    files = [path for path in root.rglob("*") if path.is_file()]
    assert (count_read, count_read + sum(map(int, COUNTS))) == (16, len(files))
    assert outcome.data.count("patients are") == 1  # the headers' take the place of the folders'


def test_inference_has_a_row_for_every_file(tmp_path: Path) -> None:
    write_pacs_export(tmp_path)
    reading = ImageFolderDataset(tmp_path, "training", reading=CHOSEN).provenance["reading"]
    read_item = LoadImageAsTrainedd("image", [1, 8, 8], reading)
    rows = [read_item({**item, "error": ""}) for item in image_files(tmp_path)]
    errors = [row["error"] for row in rows if row["error"]]
    assert (len(rows), len(rows) - len(errors)) == (16 + sum(map(int, COUNTS)), 16)
    for part, count in (("got CT", 5), ("Basic Text SR", 2), ("Segmentation", 4), ("DICOMDIR", 3), (".txt", 1)):
        assert sum(part in error for error in errors) == count


def test_a_table_of_the_same_files(tmp_path: Path) -> None:
    radiographs = write_pacs_export(tmp_path)
    every = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file() and p.name != "DICOMDIR"]
    write_table(tmp_path, [f"{path},{path.partition('/')[0]}" for path in radiographs], table="chosen.csv")
    write_table(tmp_path, [f"{path},{path.partition('/')[0]}" for path in every], table="all.csv")
    parts = [ImageTableDataset(tmp_path, name, table="chosen.csv", reading=FileToImaged(8)) for name in SECTIONS]
    same = [ImageTableDataset(tmp_path, name, table="all.csv", reading=CHOSEN) for name in SECTIONS]
    assert [part.data for part in parts] == [part.data for part in same]
    assert sum(map(len, parts)) == 16
    assert same[0].left_out == {kind: int(count) for count, kind in COUNTS.items() if kind != "DICOMDIR index"}
    with pytest.raises(ValueError, match=r"6 row\(s\).*2 Basic Text SR.*4 Segmentation"):
        ImageTableDataset(tmp_path, "test", table="all.csv")


def test_folders_of_patients_without_classes_are_refused(tmp_path: Path) -> None:
    write_pacs_export(tmp_path)
    with pytest.raises(ValueError, match="8 classes, such as PAT000, holds one patient"):
        ImageFolderDataset(tmp_path / "finding", "test", reading=CHOSEN)


@pytest.mark.parametrize(("modalities", "says"), [("XA", "5 of modality CT"), ([], "CR, DX"), (["CR", ""], "CR, DX")])
def test_modalities_that_are_refused(tmp_path: Path, modalities: object, says: str) -> None:
    write_pacs_export(tmp_path)
    with pytest.raises(ValueError, match=says):
        ImageFolderDataset(tmp_path, "test", reading=FileToImaged(8, modalities=modalities))
