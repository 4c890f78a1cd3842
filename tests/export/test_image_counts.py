"""How many images are needed: the tables, the file of numbers, and the picture."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from monai_distill.export.image_counts import count_folder, save_image_counts

NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")


def _row(mean: float) -> dict[str, Any]:
    return {name: {"mean": mean, "std": 0.01, "values": [mean]} for name in NAMES}


def _write(folder: Path, count: int, method: str, mean: float, **rows: dict[str, Any]) -> None:
    run = count_folder(folder, count) / method
    run.mkdir(parents=True)
    scores = {"images_per_class": count, "distilled": _row(mean), "prior": {"accuracy": 0.1}, **rows}
    (run / "scores.json").write_text(json.dumps(scores))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_smallest_measured_number_that_reaches_a_share_of_all_data(tmp_path: Path) -> None:
    for count, mean, random in ((10, 0.77, 0.60), (1, 0.73, 0.4), (50, 0.795, 0.77)):
        controls = {"random": _row(random), "full": _row(0.8), "controls": {"herding": _row(random + 0.01)}}
        _write(tmp_path, count, "dm", mean, **controls)
    scores, needed = save_image_counts(tmp_path, [1, 10, 50], ["dm"]).split("\n\n")
    rows = {cells[0]: cells[1:] for cells in map(_cells, needed.splitlines())}
    assert rows["dm"] == ["1", "10", "50"]
    assert rows["as many random real images"] == ["50", "50", "more than 50"]
    titles = [_cells(line)[0] for line in scores.splitlines()[2:]]
    assert len(titles) == 4
    assert titles[0] == "dm"
    assert titles[-1] == "all training images"
    written = list(csv.DictReader((tmp_path / "images.csv").open()))
    found = {
        (row["trained on"], row["images per class"]): row["mean"] for row in written if row["metric"] == "accuracy"
    }
    assert found["dm", "10"] == "0.77"
    with Image.open(tmp_path / "images.png") as picture:
        assert min(picture.size) > 100


def test_without_all_data_the_table_says_so_and_a_missing_run_leaves_a_gap(tmp_path: Path) -> None:
    _write(tmp_path, 1, "dm", 0.5)
    _write(tmp_path, 10, "dm", 0.6)
    _write(tmp_path, 10, "mtt", 0.7)
    scores, needed = save_image_counts(tmp_path, [1, 10], ["dm", "mtt"]).split("\n\n")
    assert "not scored" in needed
    assert _cells(scores.splitlines()[3]) == ["mtt", "", "0.700 ± 0.010"]


def test_no_finished_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="finished run"):
        save_image_counts(tmp_path, [1], ["dm"])
