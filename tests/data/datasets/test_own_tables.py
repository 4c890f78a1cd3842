"""Tables as people write them, case by case: what is read, or which message refuses them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from monai_distill.data.datasets import ImageTableDataset, SplitRule, TableColumns
from tests.data.conftest import write_image

SECTIONS = ("training", "validation", "test")
ROWS = 24
SPLIT = ("train", "train", "val", "test")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images, the first twelve of class a."""
    root = tmp_path_factory.mktemp("tables")
    for i in range(ROWS):
        write_image(root / "img" / f"{i:02d}.png", (4, 4), seed=i)
    return root


def label(i: int) -> str:
    return "a" if i < ROWS // 2 else "b"


def patient(i: int) -> str:
    return f"p{i // 2}"


def table(
    images: Path, header: Sequence[str], *cells: Callable[[int], str], rows: Sequence[int] = range(ROWS), **options: Any
) -> dict[str, ImageTableDataset]:
    """The three sections of a table whose first column is the path and whose others are functions of the row."""
    lines = [",".join(header), *(",".join([f"img/{i:02d}.png", *(f'"{cell(i)}"' for cell in cells)]) for i in rows)]
    (images / "case.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {name: ImageTableDataset(images, name, table="case.csv", cache_rate=0.0, **options) for name in SECTIONS}


def items(parts: dict[str, ImageTableDataset]) -> list[dict[str, Any]]:
    return [item for part in parts.values() for item in part.data]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "patient",
            "Patient",
            "PATIENT",
            " patient ",
            "patient_id",
            "Patient ID",
            "PatientID",
            "patient-id",
            "patientId",
        ),
        *(
            "Patients",
            "patient_number",
            "Patient No",
            "PATIENT_NAME",
            "patientnr",
            "pat_id",
            "PtID",
            "subject",
            "Subject ID",
        ),
        *(
            "subject_id",
            "SubjectNumber",
            "participant",
            "participant_id",
            "MRN",
            "person_id",
            "anon_patient_id",
            "donor_id",
        ),
        *("bcr_patient_barcode", "pid", "Patient Identifier", "dicom_patient_id", "sub_id", "Patient\u00a0ID"),
    ],
)
def test_a_column_of_patients_is_used_whatever_its_spelling(images: Path, name: str) -> None:
    parts = table(images, ["image", "label", name], label, patient)
    assert len({item["patient"] for item in items(parts)}) == 12
    assert "by patient" in parts["training"].provenance["split"]
    assert parts["training"].unused_patients == ()
    if name.strip() != "patient":
        assert any(repr(name.strip()) in note for note in parts["training"].notes)


@pytest.mark.parametrize("name", ["patient_ref", "old_patient_key2x", "subject_in_trial", "participant_ref"])
def test_a_column_that_probably_names_patients_is_refused_with_the_setting(images: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"did you mean --patient_column '{name}'"):
        table(images, ["image", "label", name], label, patient)
    ignored = table(images, ["image", "label", name], label, patient, columns=TableColumns(ignored=[name]))
    assert "patient" not in items(ignored)[0]


@pytest.mark.parametrize(
    "name", ["case", "Case ID", "id", "study", "accession_number", "lesion_id", "name", "individual"]
)
def test_a_column_that_may_name_patients_is_said_and_forbids_a_guarantee(images: Path, name: str) -> None:
    parts = table(images, ["image", "label", name], label, patient)
    assert "patient" not in items(parts)[0]
    assert parts["training"].unused_patients == (name,)
    assert any(name in note for note in parts["training"].notes)
    # a value per image groups nothing, and one value for all says nothing
    assert table(images, ["image", "label", name], label, str)["training"].unused_patients == ()
    assert table(images, ["image", "label", name], label, lambda i: "trial 7")["training"].unused_patients == ()


@pytest.mark.parametrize(
    "name", ["patient_age", "PatientSex", "patient_group", "subject_weight", "site", "age", "comment"]
)
def test_a_property_of_patients_is_no_patient(images: Path, name: str) -> None:
    parts = table(images, ["image", "label", name], label, patient)
    assert "patient" not in items(parts)[0]
    assert (parts["training"].notes, parts["training"].unused_patients) == ((), ())


def test_two_columns_of_patients(images: Path) -> None:
    header = ["image", "label", "patient_id", "subject"]
    same = table(images, header, label, patient, lambda i: f"s{i // 2}")
    assert {item["patient"] for item in items(same)} == {f"p{i}" for i in range(12)}
    with pytest.raises(ValueError, match="'patient_id' or 'subject'"):
        table(images, header, label, patient, lambda i: f"s{i // 4}")
    chosen = table(images, header, label, patient, lambda i: f"s{i // 4}", columns=TableColumns(patient="patient_id"))
    assert chosen["training"].unused_patients == ("subject",)  # it joins what patient_id keeps apart


@pytest.mark.parametrize(
    "name", ["split", "Split", "partition", "Data Split", "fold", "dataset_split", "official-split", "usage", "set"]
)
def test_a_split_is_used_whatever_the_name_of_its_column(images: Path, name: str) -> None:
    parts = table(images, ["image", "label", name], label, lambda i: SPLIT[i % 4])
    assert {section: len(part) for section, part in parts.items()} == {"training": 12, "validation": 6, "test": 6}
    assert "as given" in parts["test"].provenance["split"]


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        (("train", "Train", "VALID", "Test"), (12, 6, 6)),
        (("training", "training_set", "validation-set", "test set"), (12, 6, 6)),
        (("train", "train", "dev", "test"), (12, 6, 6)),
        (("train", "train", "val", "hold-out"), (12, 6, 6)),
        (("train", "train", "tuning", "testing"), (12, 6, 6)),
    ],
)
def test_names_of_sections(images: Path, words: Sequence[str], sizes: tuple[int, ...]) -> None:
    parts = table(images, ["image", "label", "split"], label, lambda i: words[i % 4])
    assert tuple(len(part) for part in parts.values()) == sizes


@pytest.mark.parametrize(
    ("header", "words", "says"),
    [
        ("split", ("train", "train", "val", "eval"), "'split'.*holds eval"),
        ("split", ("train", "train", "test", "external"), "'split'.*holds external"),
        ("split", ("train", "val", "test", ""), "'split'.*holds an empty cell"),
        ("fold", ("0", "1", "2", "3"), "'fold'.*holds 0, 1, 2, 3.*--ignored_columns \\[fold\\]"),
        ("is_test", ("0", "0", "0", "1"), "'is_test'.*holds 0, 1"),
        ("phase", ("train", "val", "test", "pilot"), "'phase'.*holds pilot"),
        ("split", ("train", "val", "test", "holdout"), "'test' and 'holdout'"),
        ("split", ("train", "val", "dev", "test"), "'val' and 'dev'"),
        ("split", ("train", "train", "val", "val"), "'test' is empty.*train 12, val 12"),
    ],
)
def test_a_split_that_cannot_be_used_is_refused(images: Path, header: str, words: Sequence[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        table(images, ["image", "label", header], label, lambda i: words[i % 4])


def test_an_ignored_split_is_drawn(images: Path) -> None:
    header = ["image", "label", "fold"]
    parts = table(images, header, label, lambda i: str(i % 5), columns=TableColumns(ignored=["Fold"]))
    assert "drawn" in parts["test"].provenance["split"]


@pytest.mark.parametrize(
    ("spellings", "count"),
    [
        (("7", "7.0"), 12),
        ((" 7 ", "7"), 12),
        (("\uff17", "7"), 12),
        (("M\u00fc7", unicodedata.normalize("NFD", "M\u00fc7")), 12),
    ],
)
def test_spellings_of_a_patient_that_mean_the_same(images: Path, spellings: tuple[str, str], count: int) -> None:
    spelled = [text.replace("7", "{}") if "7" in text else text.replace("\uff17", "{}") for text in spellings]
    parts = table(images, ["image", "label", "patient"], label, lambda i: spelled[i % 2].format(100 + i // 2))
    assert len({item["patient"] for item in items(parts)}) == count


@pytest.mark.parametrize(
    ("first", "second"),
    [("7", "007"), ("P7", "p7"), ("P7", "7"), ("patient 7", "7"), ("P-7", "P7"), ("p_07", "P7"), ("A B", "a_b")],
)
def test_two_spellings_that_may_be_one_patient_are_refused_with_both(images: Path, first: str, second: str) -> None:
    names = {0: first, 5: second}
    with pytest.raises(ValueError, match=r"1 patient.*in several ways") as refused:
        table(images, ["image", "label", "patient"], label, lambda i: names.get(i, f"q{i // 2 + 50}"))
    assert repr(first) in str(refused.value)
    assert repr(second) in str(refused.value)


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN", "NULL", "N/A", "#N/A", "None", "unknown", "-", "?"])
def test_a_cell_without_a_patient_is_refused(images: Path, cell: str) -> None:
    with pytest.raises(ValueError, match=r"1 row\(s\) have no patient.*row 5 of case.csv"):
        table(images, ["image", "label", "patient"], label, lambda i: cell if i == 3 else patient(i))


def test_patients_in_scientific_notation_are_refused(images: Path) -> None:
    with pytest.raises(ValueError, match=r"'1\.2E\+11'"):
        table(images, ["image", "label", "patient"], label, lambda i: "1.2E+11" if i < 3 else patient(i))


@pytest.mark.parametrize(
    ("a", "b", "classes"),
    [
        (("0", "0.0"), ("1", "1.0"), ("0", "1")),
        (("10.0",), ("2.0",), ("2", "10")),
        ((" a ", "a"), ("b\u00a0", "b"), ("a", "b")),
        (("Gr\u00fcn", unicodedata.normalize("NFD", "Gr\u00fcn")), ("b",), ("Gr\u00fcn", "b")),
        (("HER2+",), ("HER2-",), ("HER2+", "HER2-")),
        (("none",), ("NA",), ("NA", "none")),
        (("brick, type 1",), ("brick, type 2",), ("brick, type 1", "brick, type 2")),
        (("$print('x')",), ("@seed",), ("$print('x')", "@seed")),
        (("\u80ba\u708e",), ("\u0627\u0644",), ("\u0627\u0644", "\u80ba\u708e")),
    ],
)
def test_labels(images: Path, a: Sequence[str], b: Sequence[str], classes: tuple[str, ...]) -> None:
    parts = table(images, ["image", "label"], lambda i: a[i % len(a)] if label(i) == "a" else b[i % len(b)])
    assert parts["training"].class_names == classes
    assert len(items(parts)) == ROWS


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("Brick", "brick", "x", "x"), "'Brick' .*'brick'"),
        (("True", "True", "false", "FALSE"), "'FALSE' .*'false'"),
        (("True", "1", "0", "0"), "'1' .*'True'"),
        (("yes", "y", "no", "no"), "'y' .*'yes'"),
        (("01", "1", "2", "2"), "'01' .*'1'"),
        (("Lung_Opacity", "Lung Opacity", "x", "x"), "'Lung Opacity' .*'Lung_Opacity'"),
        (("LungOpacity", "lung-opacity", "x", "x"), "'LungOpacity' .*'lung-opacity'"),
        (("COVID|Edema", "COVID", "Edema", "Edema"), "6 row.*several labels.*'COVID.Edema' in row 2"),
        (("a;b", "a", "b", "b"), "several labels"),
        (("a, b", "a", "b", "b"), "several labels"),
        (("['a', 'b']", "a", "b", "b"), "several labels"),
        (("NaN", "a", "b", "b"), "6 row.*no label.*'NaN'"),
        (("", "a", "b", "b"), "6 row.*no label"),
    ],
)
def test_labels_that_are_refused(images: Path, names: Sequence[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        table(images, ["image", "label"], lambda i: names[i % 4])


def test_a_name_in_class_names_is_a_class_whatever_it_looks_like(images: Path) -> None:
    words = ("a|b", "nan")
    parts = table(images, ["image", "label"], lambda i: words[i % 2], class_names=words)
    assert parts["test"].class_names == words
    with pytest.raises(ValueError, match=r"'A' .class_names. and 'a'"):
        table(images, ["image", "label"], label, class_names=("A", "b"))


def test_a_number_per_image_is_no_class(images: Path) -> None:
    with pytest.raises(ValueError, match="24 rows hold 24 different labels"):
        table(images, ["image", "label"], lambda i: f"{37 + i / 10:.1f}")


@pytest.mark.parametrize(
    ("header", "cells", "says"),
    [
        (["Bild", "Befund"], (label,), "--image_column Bild --label_column Befund"),
        (["file", "class"], (label,), "--image_column file --label_column class"),
        (
            ["image", "a", "b"],
            (lambda i: str(int(i < 12)), lambda i: str(int(i >= 12))),
            r"\['a', 'b'\] hold only 0 and 1",
        ),
        (["img/99.png", "a"], (label,), "put a row with the names of the columns"),
        (["image", "label", "Label"], (label, label), "several columns for 'label'"),
    ],
)
def test_headers_that_are_refused(images: Path, header: list[str], cells: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        table(images, header, *cells)


@pytest.mark.parametrize("header", [["Image", "Label"], [" IMAGE ", "label "], ["image", "LABEL"]])
def test_headers_in_another_case(images: Path, header: list[str]) -> None:
    assert len(items(table(images, header, label))) == ROWS


@pytest.mark.parametrize(
    ("listed", "path"),
    [
        ("img\\{}.png", "img/{}.png"),
        ("img/{}.PNG", "img/{}.png"),
        ("IMG/{}.png", "img/{}.png"),
        ("img/{}", "img/{}.png"),
        ("./img/{}.png", "./img/{}.png"),
    ],
)
def test_paths_in_the_spelling_of_another_system(images: Path, listed: str, path: str) -> None:
    rows = [f"{listed.format(f'{i:02d}')},{label(i)}" for i in range(ROWS)]
    (images / "paths.csv").write_text("image,label\n" + "\n".join(rows))
    dataset = ImageTableDataset(images, "training", table="paths.csv", cache_rate=0.0)
    assert all(Path(item["image"]).is_file() for item in dataset.data)
    assert bool(dataset.notes) == (listed != path)


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        ("https://x/{}.png", "download the images"),
        ("C:\\scans\\img\\{}.png", "write paths relative to"),
        ("/mnt/scans/{}.png", "write paths relative to"),
        ("{}.png", "Did you mean img/00.png"),
    ],
)
def test_paths_that_lead_nowhere(images: Path, listed: str, says: str) -> None:
    rows = [f"{listed.format(f'{i:02d}')},{label(i)}" for i in range(ROWS)]
    (images / "paths.csv").write_text("image,label\n" + "\n".join(rows))
    with pytest.raises(RuntimeError, match=f"Cannot find 24 of 24 .*{says}"):
        ImageTableDataset(images, "training", table="paths.csv", cache_rate=0.0)


def test_a_name_without_a_suffix_that_fits_two_files(images: Path, tmp_path: Path) -> None:
    for name in ("00.png", "00.bmp", "01.png"):
        write_image(tmp_path / name)
    (tmp_path / "table.csv").write_text("image,label\n00,a\n01,b\n")
    with pytest.raises(RuntimeError, match=r"Several files fit 00: \['00.bmp', '00.png'\]"):
        ImageTableDataset(tmp_path, "training")


def test_too_few_patients_are_counted(images: Path) -> None:
    with pytest.raises(ValueError, match=r"2 patient\(s\) cannot fill .*test would be empty .*a 1, b 1"):
        table(images, ["image", "label", "patient"], label, lambda i: f"p{label(i)}")
    assert len(table(images, ["image", "label", "patient"], label, lambda i: f"p{i % 3}")["test"]) == 8


def test_an_image_listed_twice_names_both_labels(images: Path) -> None:
    lines = ["image,label", *(f"img/{i:02d}.png,{label(i)}" for i in range(ROWS)), "img/00.png,b"]
    (images / "twice.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"img/00.png is listed twice.*row 2 .*row 26 .*'a' and 'b'"):
        ImageTableDataset(images, "training", table="twice.csv", split=SplitRule(0.25, 0.25))
