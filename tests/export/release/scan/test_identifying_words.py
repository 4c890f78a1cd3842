"""Which words are found, and which would be found everywhere."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import getpass
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from monai_distill.export.release.scan import IdentifyingWords
from monai_distill.export.release.scan.identifying_words import own_names


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("Jane Doe", "by JANE^DOE in 1970", True),
        ("DOE_JANE_MRN123456", "/x/doe-jane-mrn123456.nii", True),
        ("MRN123456", "xMRN123456y", True),  # long words inside others too
        ("Doe", "a doe in the wood", False),  # three letters
        ("Anna", "anna", True),
        ("Anna", "Annapolis", False),
        ("12345678", "id 12345678.", True),
        ("12345678", "0.12345678", False),  # a decimal is another number
        ("1024", "1024 steps", False),
        ("1024", "patient 1024", True),
        ("1024", '"patient_id": 1024', True),
        ("17", "patients: 17", True),
        ("17", "batch 17", False),
        ("müller", "MÜLLER", True),
    ],
)
def test_words_are_found_whatever_separates_them_and_not_by_chance(word: str, text: str, found: bool) -> None:
    assert list(IdentifyingWords([word]).within(text)) == ([word] if found else [])


def test_weak_words_are_counted_and_empty_ones_left_out() -> None:
    words = IdentifyingWords(["17", "anna", "", "  ", "654321"])
    assert (len(words), words.weak) == (3, 1)


def test_a_word_that_identifies_nobody_is_let_pass() -> None:
    assert list(IdentifyingWords(["patient_a", "benign"], but=["Benign"]).within("benign patient a")) == ["patient_a"]


def test_a_class_and_a_number_after_it_name_a_file_only_beside_a_patient() -> None:
    words = IdentifyingWords(["COVID-2", "Lung_Opacity-3", "COVID-654321"], but=["COVID", "Lung_Opacity"])
    assert words.weak == 2
    assert list(words.within("1,0,COVID\n2,1,Lung_Opacity\n3,1,Lung_Opacity")) == []  # labels.csv
    assert list(words.within("patient covid 2; COVID-654321")) == ["COVID-2", "COVID-654321"]


def test_patients_files_and_numbered_folders_of_every_section_are_words(tmp_path: Path) -> None:
    def section(*items: dict[str, object]) -> SimpleNamespace:
        provenance = {"files": {"clinic.csv": "sha256:0", "listing (paths, sizes, labels)": "1"}}
        return SimpleNamespace(data=items, root_dir=tmp_path, provenance=provenance)

    training = section(
        {"image": str(tmp_path / "benign" / "study77" / "IMG_0815.dcm"), "patient": "Jane Doe", "label": 0}
    )
    test = section({"image": [[0.0]], "label": 1}, {"image": "/else/pat4711/scan_b.png", "mask": "/else/m_4712.png"})
    words = IdentifyingWords.of_sections([training, test], class_names=["benign", "scan b"])
    text = "jane doe; img_0815.dcm; study77; pat4711; m_4712; clinic.csv; benign; scan_b; listing"
    found = set(words.within(text))
    assert found >= {"Jane Doe", "IMG_0815.dcm", "study77", "pat4711", "m_4712", "clinic.csv"}
    assert not found & {"benign", "scan_b", "listing"}


def test_the_first_number_of_a_uid_is_no_word_of_its_own(tmp_path: Path) -> None:
    item = {"image": str(tmp_path / "benign" / "1.2.840.99.5"), "label": 0}
    section = SimpleNamespace(root_dir=tmp_path, data=[item], provenance={})
    words = IdentifyingWords.of_sections([section], but=own_names())
    assert list(words.within("1 patient 1 of 2")) == []
    assert list(words.within("file 1.2.840.99.5")) == ["1.2.840.99.5"]


def test_this_machine_and_user_are_words_unless_any_machine_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "ward7-pc")
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/jdoe"))
    assert own_names() == ["jdoe", "ward7-pc"]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ('"unit": "patient", "views": 17', False),
        ('"by a keyed hash of each patient",\n  "seed": 17', False),
        ("- unit: patient\n- views: 17", False),
        ("by a keyed hash of each patient, seed 17", False),
        ('"patient": 17', True),
        ('{"patient": {"id": "17"}}', True),
        ('{"patient": null, "id": 17}', False),  # too far, as ever
        ('["patient", "17"]', True),
        ("patient,17", True),
        ("patient\n17", True),
        ("- Patient:\n  - number: 17", True),
    ],
)
def test_a_short_number_is_a_patient_s_only_within_the_entry_of_the_marker(text: str, marked: bool) -> None:
    """A folder with 17.png must not stop every release whose unit is the patient."""
    assert list(IdentifyingWords(["17"]).within(text)) == ["17"] * marked
