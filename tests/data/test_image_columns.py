"""Columns of a test set, in order, through to the banks."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from monai.data import Dataset
from PIL import Image

from monai_distill.data import SplitBanks
from monai_distill.data.datasets import DigitsDataset, ImageTableDataset, TableColumns
from monai_distill.data.image_columns import item_columns
from monai_distill.transforms import Standardize


def sited(root: Path, groups: Sequence[str] = ("site",)) -> dict[str, ImageTableDataset]:
    """24 images of 12 patients at two sites, half of them with a tumour."""
    pixels, rows = np.random.default_rng(0), ["image,label,patient,site,sex,split"]
    for i in range(24):
        Image.fromarray(pixels.integers(0, 256, (8, 8), dtype=np.uint8)).save(root / f"{i:02}.png")
        split = ("train", "val", "test")[i // 8]
        rows.append(
            f"{i:02}.png,{'tumour' if i % 2 else 'none'},p{i // 2},{'north' if i % 8 < 5 else 'south'},f,{split}"
        )
    (root / "table.csv").write_text("\n".join(rows))
    return sections(root, groups)


def sections(root: Path, groups: Sequence[str] = ("site",)) -> dict[str, ImageTableDataset]:
    columns = TableColumns(groups=groups)
    return {s: ImageTableDataset(root, s, columns=columns) for s in ("training", "validation", "test")}


def test_a_table_gives_patients_and_the_group_columns(tmp_path: Path) -> None:
    data = SplitBanks(*sited(tmp_path).values(), fit=Standardize.fit)
    assert data.test_columns == {
        "site": ["north"] * 5 + ["south"] * 3,
        "patient": [f"p{i // 2}" for i in range(16, 24)],
    }
    assert len(data.test) == 8


def test_without_further_columns_there_are_none() -> None:
    assert item_columns(DigitsDataset("test")) == {}
    assert item_columns(Dataset([{"image": 0, "site": "a"}, {"image": 1}])) == {}
    assert item_columns(Dataset([1, 2])) == item_columns(object()) == {}


def test_columns_that_are_not_there_or_taken_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lacks the column\(s\) \['hospital'\]"):
        sited(tmp_path, ["hospital"])
    with pytest.raises(ValueError, match="group_columns than \\['label'\\]"):
        sited(tmp_path, ["sex", "label"])


def test_the_unit_of_a_guarantee_is_refused_where_patients_may_be_named_and_are_not_used(tmp_path: Path) -> None:
    assert SplitBanks(*sited(tmp_path).values(), fit=Standardize.fit).record_unit() == "patient"
    text = (tmp_path / "table.csv").read_text()
    (tmp_path / "table.csv").write_text(text.replace("patient,site", "case,site"))
    with pytest.raises(ValueError, match="patients in case, which is not used"):
        SplitBanks(*sections(tmp_path).values(), fit=Standardize.fit).record_unit()


def test_every_image_is_accounted_for_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sited(tmp_path)
    (tmp_path / "00.png").write_bytes((tmp_path / "23.png").read_bytes())  # a training image that test holds too
    (tmp_path / "01.png").write_bytes((tmp_path / "02.png").read_bytes())  # one image with a tumour and without
    parts = sections(tmp_path)
    caplog.set_level("INFO", "monai_distill.data")
    with pytest.warns(UserWarning, match="under two labels: 2 in training"):
        data = SplitBanks(*parts.values(), fit=Standardize.fit)
    assert data.provenance["images_under_two_labels"] == {"training": 2, "validation": 0, "test": 0}
    assert caplog.messages[-2] == (
        "Data: 24 images read: training 7, validation 8, test 8 (of 4 patients in training); left out: "
        "1 of training identical to an image of a later section."
    )
