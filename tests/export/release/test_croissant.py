"""Croissant metadata: every file with its checksum, and what a validator says."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from monai_distill.export.release import Owner
from tests.export.release.conftest import MakeRun, Write, read


def test_every_file_is_listed_with_its_checksum_but_itself_and_the_sums(released: Path) -> None:
    listed = {entry["contentUrl"]: entry["sha256"] for entry in read(released, "croissant.json")["distribution"]}
    files = {path.relative_to(released).as_posix() for path in released.rglob("*") if path.is_file()}
    assert listed.keys() == files - {"croissant.json", "SHA256SUMS"}
    for name, digest in listed.items():
        assert digest == hashlib.sha256((released / name).read_bytes()).hexdigest()


def test_its_fields_are_columns_of_the_table(released: Path) -> None:
    (records,) = read(released, "croissant.json")["recordSet"]
    with (released / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [field["source"]["extract"]["column"] for field in records["field"]] == list(rows[0])
    assert [row["label"] for row in rows] == ["0", "0", "1", "1"]


def test_it_says_synthetic_the_tier_and_who_answers_for_it(make_run: MakeRun, write: Write) -> None:
    content = read(write(owner=Owner(publisher="Clinic A")), "croissant.json")
    assert "SYNTHETIC" in content["description"]
    assert "T0 (no claim)" in content["description"]
    assert content["license"] == "CC BY 4.0"
    assert content["creator"]["name"] == "Clinic A"


def test_nobody_is_named_where_nobody_answers(released: Path) -> None:
    assert "creator" not in read(released, "croissant.json")


def test_the_validator_of_its_makers_accepts_it(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    monkeypatch.chdir(released)
    metadata = mlcroissant.Dataset(jsonld="croissant.json").metadata
    assert metadata.ctx.issues.errors == set()
    assert len(metadata.distribution) == len(read(released, "croissant.json")["distribution"])
