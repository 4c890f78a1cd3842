"""MHISTDataset on a made copy of the published layout."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_distill.data.datasets import MHISTDataset

Tools = dict[str, Callable[..., Any]]


def test_partition_votes_and_size(mhist_root: Path) -> None:
    parts = {section: MHISTDataset(mhist_root, section) for section in ("training", "validation", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"training": 18, "validation": 2, "test": 6}
    assert tuple(parts["test"][0]["image"].shape) == (3, 224, 224)
    assert parts["test"].class_names == ("HP", "SSA")
    for item in parts["training"]:
        assert item["votes"] == (6 if item["class_name"] == "SSA" else 1)
    assert "validation split off training, 85/15" in parts["test"].provenance["split"]
    assert "no redistribution" in parts["test"].provenance["license"]


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("Partition", "Split", r"annotations.csv has the header .*'Split'\], expected .*'Partition'\]"),
        (",1,train", ",8,train", "expected 0 to 7 votes in row 2 of annotations.csv, got '8'"),
        (",1,train", ",1,val", "expected the partition train or test in row 2"),
        (",HP,", ",hp,", "'HP' .* and 'hp' .row 2"),
    ],
)
def test_refuses_another_table(mhist_root: Path, old: str, new: str, match: str) -> None:
    path = mhist_root / "annotations.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=match):
        MHISTDataset(mhist_root, "training")


def test_lists_missing_images_and_says_where_to_get_them(mhist_root: Path, tmp_path: Path) -> None:
    (mhist_root / "images" / "MHIST_003.png").unlink()
    with pytest.raises(RuntimeError, match=r"Cannot find 1 of 26 listed files .*MHIST_003.png.*research use agreement"):
        MHISTDataset(mhist_root, "test")
    with pytest.raises(
        RuntimeError, match=r"Cannot find dataset file: .*annotations.csv.*https://bmirds.github.io/MHIST"
    ):
        MHISTDataset(tmp_path, "test")
