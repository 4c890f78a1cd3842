"""Properties of own data: neither the order of rows nor names change the bank, and splits keep patients whole."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="pip install 'monai-distill[dev]'")
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_distill.data import ClassBank
from monai_distill.data.datasets import ImageFolderDataset, ImageTableDataset
from monai_distill.data.datasets.image_rows import ImageRow, cleaned_rows
from monai_distill.data.datasets.spelling import cleaned_names, spelling_key
from monai_distill.data.datasets.splits import patient_split, stratified_split
from tests.data.conftest import write_image

SECTIONS = ("training", "validation", "test")
SHARES = {"training": 0.7, "validation": 0.15, "test": 0.15}
FEW = settings(max_examples=15, deadline=None)


def banks(root: Path, kind: type[ImageTableDataset] | type[ImageFolderDataset]) -> dict[str, ClassBank]:
    return {section: ClassBank.from_dataset(kind(root, section)) for section in SECTIONS}


def contents(parts: dict[str, ClassBank]) -> dict[str, Counter[tuple[str, str]]]:
    """The images of every section with their class names, whatever their order."""
    return {
        name: Counter(zip(bank.image_hashes(), (bank.class_names[i] for i in bank.labels.tolist()), strict=True))
        for name, bank in parts.items()
    }


@FEW
@given(seed=st.integers(0, 10**6), with_patients=st.booleans())
def test_any_order_of_rows_and_columns_gives_the_same_bank(seed: int, with_patients: bool) -> None:
    order = random.Random(seed)
    names = ["image", "label", *(["patient"] if with_patients else [])]
    rows = [(f"{i:02d}.png", "ab"[i % 2], f"p{i // 3}") for i in range(18)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for i, (image, _, _) in enumerate(rows):
            write_image(root / image, (3, 3), seed=i)
        fingerprints = []
        for shuffled in (False, True):
            columns = list(range(len(names)))
            if shuffled:
                order.shuffle(rows)
                order.shuffle(columns)
            lines = [",".join(row[c] for c in columns) for row in rows]
            (root / "table.csv").write_text("\n".join([",".join(names[c] for c in columns), *lines]))
            fingerprints.append({name: bank.fingerprint() for name, bank in banks(root, ImageTableDataset).items()})
    assert fingerprints[0] == fingerprints[1]


@FEW
@given(seed=st.integers(0, 10**6))
def test_other_names_of_files_and_folders_give_the_same_images_in_every_section(seed: int) -> None:
    order = random.Random(seed)
    layout = [(part, c, i) for part in ("train", "val", "test") for c in "ab" for i in range(3)]
    seen = []
    for renamed in (False, True):
        folders = {"train": "Training", "val": "valid", "test": "TEST"} if renamed else {}
        with tempfile.TemporaryDirectory() as folder:
            for number, (part, c, i) in enumerate(layout):
                name = f"{order.randrange(10**9)}_{number}" if renamed else str(i)
                below = f"case{order.randrange(10**9)}_{number}/" if renamed else ""
                write_image(Path(folder) / folders.get(part, part) / c / f"{below}{name}.png", (3, 3), seed=number)
            seen.append(contents(banks(Path(folder), ImageFolderDataset)))
    assert seen[0] == seen[1]


@settings(max_examples=150, deadline=None)
@given(
    patients=st.lists(st.integers(0, 12), min_size=1, max_size=60), classes=st.integers(1, 4), seed=st.integers(0, 99)
)
def test_a_patient_split_covers_all_images_and_keeps_patients_whole(
    patients: list[int], classes: int, seed: int
) -> None:
    labels = [(patient * 7 + i) % classes for i, patient in enumerate(patients)]
    parts = patient_split(labels, patients, SHARES, seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(patients)))
    homes = defaultdict(set)
    for name, indices in parts.items():
        for i in indices:
            homes[patients[i]].add(name)
    assert all(len(sections) == 1 for sections in homes.values())


@settings(max_examples=150, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=80), seed=st.integers(0, 99))
def test_a_stratified_split_covers_all_images_and_gives_every_section_its_share(labels: list[int], seed: int) -> None:
    parts = stratified_split(labels, SHARES, seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    for label, count in Counter(labels).items():
        dealt = {name: sum(labels[i] == label for i in indices) for name, indices in parts.items()}
        if count >= 3:
            assert min(dealt.values()) >= 1
        assert all(abs(dealt[name] - share * count) < 2 for name, share in SHARES.items())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=8), max_size=6))
def test_cleaning_names_twice_changes_nothing_more(names: list[str]) -> None:
    once = cleaned_names(names)
    assert cleaned_names(once) == once
    assert [spelling_key(name) for name in once] == [spelling_key(name.upper().lower()) for name in once]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 999), st.integers(1, 4), st.sampled_from(["", "P", "pt-", "Patient "]))
def test_a_number_with_zeros_or_a_prefix_never_becomes_a_second_patient(number: int, zeros: int, prefix: str) -> None:
    other = f"{prefix}{'0' * zeros}{number}"
    rows = [
        ImageRow(f"{i}.png", "ab"[i % 2], f"row {i}", patient) for i, patient in enumerate([str(number), other] * 2)
    ]
    with pytest.raises(ValueError, match="in several ways"):
        cleaned_rows(rows)
