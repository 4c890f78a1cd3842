"""The table of predictions: a row for every image, with a prediction or an error."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from monai_distill.handlers import Predictions


def written(file: Path, batches: list[list[dict[str, Any]]], pred: torch.Tensor) -> list[dict[str, str]]:
    engine = Engine(lambda engine, batch: [{"pred": pred} for _ in batch])
    Predictions(file, ["no", "yes"]).attach(engine)
    engine.run(batches)
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_file_with_an_error_has_a_row_without_a_prediction(tmp_path: Path) -> None:
    items = [{"name": "a.png", "error": ""}, {"name": "b.txt", "error": "unsupported, as it is"}]
    with pytest.warns(UserWarning, match=r"1 of 2 files have no prediction, such as b\.txt"):
        rows = written(tmp_path / "p.csv", [items], torch.tensor([0.25, 0.75]))
    assert rows == [
        {"image": "a.png", "predicted": "yes", "p(no)": "0.250000", "p(yes)": "0.750000", "error": ""},
        {"image": "b.txt", "predicted": "", "p(no)": "", "p(yes)": "", "error": "unsupported, as it is"},
    ]


def test_labels_and_numbers(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = written(tmp_path / "p.csv", [[{"label": 1}], [{"label": 0}]], torch.tensor([0.6, 0.4]))
    assert [(row["image"], row["predicted"], row["label"]) for row in rows] == [("0", "no", "yes"), ("1", "no", "no")]


def test_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\['no', 'yes'\], got 3"):
        written(tmp_path / "p.csv", [[{"label": 1}]], torch.ones(3))
