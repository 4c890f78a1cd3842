"""The ladder at tiny size, its reader and its verdict."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.ladder import Settings, main
from tests.benchmarks.ladder_data import read_images
from tests.benchmarks.ladder_report import rungs, write_report

TINY = {"width": 4, "depth": 1, "iterations": 4, "evaluate_every": 2, "student_steps": 2, "evaluation_steps": 3}
TINY |= {"experts": 2, "max_start_epoch": 1, "training_images": 100, "students": 1}


def test_it_climbs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    words = ["--data", "digits", "--device", "cpu", "--out", str(tmp_path)]
    words += [word for name, value in TINY.items() for word in (f"--{name}", str(value))]
    assert main(words) == 0
    first = json.loads((tmp_path / "ladder.json").read_text())
    assert [point["iteration"] for point in first["curve"]] == [0, 2, 4]
    assert len(first["losses"]) == 4
    assert {"ladder.md", "ladder.png", "state.pt"} <= {path.name for path in tmp_path.iterdir()}
    assert main(words) == 0
    again = json.loads((tmp_path / "ladder.json").read_text())
    for name in ("curve", "losses", "experts"):
        assert again[name] == first[name]


def test_images_come_out_of_the_archive_with_their_class_and_part(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for part, shift in (("train", 0), ("test", 100)):
            for level, name in enumerate(("cat", "airplane")):
                for number in range(2):
                    buffer = io.BytesIO()
                    Image.fromarray(np.full((32, 32, 3), shift + 50 * level, np.uint8)).save(buffer, "JPEG")
                    archive.writestr(f"{part}/{name}/{number:04d}.jpg", buffer.getvalue())
    for _ in range(2):  # decoded, then kept
        training, test = read_images(tmp_path / "x.zip", tmp_path)
        assert training.class_names == test.class_names == ("airplane", "cat")
        assert training.labels.tolist() == [0, 0, 1, 1]
        assert training.images.shape == (4, 3, 32, 32)
        means = [(255 * bank.images.mean(dim=(1, 2, 3))).round().tolist() for bank in (training, test)]
        assert means == [[50, 50, 0, 0], [150, 150, 100, 100]]


@pytest.mark.parametrize(
    ("at_500", "width", "says", "missed"), [(0.57, 128, "ok", False), (0.5, 128, "missed", True), (0.5, 32, "", False)]
)
def test_a_rung_that_is_missed_fails_the_benchmark_at_the_official_settings_only(
    tmp_path: Path, at_500: float, width: int, says: str, missed: bool
) -> None:
    result: dict[str, Any] = {
        "data": "cifar10_jpeg.zip",
        "device": "cpu",
        "settings": {**vars(Settings()), "width": width},
        "experts": {"1": [0.44, 0.46], "5": [0.63], "10": [0.70]},
        "losses": [1.3] * 5 + [0.9] * 95,
        "curve": [{"iteration": 0, "accuracy": [0.33]}, {"iteration": 500, "accuracy": [at_500]}],
        "seconds_of_this_call": {"data": 1.0},
    }
    assert [stands for *_, stands in rungs(result)] == [True] * 6 + [at_500 > 0.566]
    table, failed = write_report(result, tmp_path)
    assert failed is missed
    (line,) = [line for line in table.splitlines() if line.startswith("| iteration 500")]
    assert line.split("|")[4].strip() == says
