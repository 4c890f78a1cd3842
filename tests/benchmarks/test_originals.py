"""The comparison with the official DC, DSA and DM programs: one start for both sides, and its table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.benchmarks import originals, own_matching, results
from tests.benchmarks.comparison import Row
from tests.benchmarks.matching_data import banks, strategy, world
from tests.benchmarks.subject import options_of

TINY = {"width": 4, "depth": 1, "side": 8, "ipc": 1, "classes": 2, "real_batch": 2, "real_images": 8}


@pytest.mark.parametrize("method", ["dc", "dsa", "dm"])
def test_a_step_changes_the_images_from_the_common_start(method: str) -> None:
    options = options_of({**TINY, "method": method, "seed": 1})
    work, start = own_matching.matching(options), world(options)[2]
    assert torch.equal(work.images, start)
    work()
    assert not torch.equal(work.images, start)
    assert work.iteration == 1


def test_both_sides_get_images_of_one_size_in_three_channels(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {}
    for part in ("train", "test"):
        arrays |= {f"{part}_images": np.arange(4 * 28 * 28).reshape(4, 28, 28).astype(np.uint8)}
        arrays |= {f"{part}_labels": np.array([[0], [1], [0], [1]])}
    np.savez(tmp_path / "gray.npz", **arrays)
    training, test = banks(tmp_path / "gray.npz")
    assert training.images.shape == test.images.shape == (4, 3, 32, 32)
    assert training.labels.tolist() == [0, 1, 0, 1]
    assert abs(float(training.images.mean())) < 1e-5
    assert "flip" in strategy(options_of({"data": str(tmp_path / "gray.npz")}))
    assert "flip" not in strategy(options_of({"data": str(tmp_path / "MNIST")}))


def test_the_table_holds_paired_ratios_and_every_row_of_an_earlier_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(rows: list[Row], repeats: int) -> None:
        for row, seconds in zip(rows, (1.0, 2.0), strict=True):
            row.seconds, row.cpu_seconds, row.report = [seconds] * repeats, [seconds] * repeats, {"mib": 100.0}

    monkeypatch.setattr(originals, "measure", measured)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert originals.main(["--condensation", "/somewhere", "--methods", "dm", "dc"]) == 0
    assert originals.main(["--condensation", "/somewhere", "--methods", "dsa", "--add"]) == 0
    written = json.loads((tmp_path / "originals.json").read_text())
    assert [row[0] for row in written["rows"]] == ["`dm`", "`dc`", "`dsa`"]
    assert [row[3:6] for row in written["rows"]] == [[0.5, 0.5, 1.0]] * 3
    assert len(written["command"]) == 2
    assert "/somewhere" not in str(written["command"])


def test_with_data_a_row_holds_cost_and_accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = [[0.5, 0.1], [0.4, 0.1], [0.1, 0.1]]
    monkeypatch.setattr(originals, "cost", lambda settings, repeats: ["`dm`", 1, "random", 0.5, 0.5, 0.9, *[None] * 3])
    monkeypatch.setattr(originals, "accuracies", lambda *_: ("digits", figures))
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    words = ["--condensation", "/somewhere", "--data", "digits", "--methods", "dm", "--name", "other"]
    assert originals.main(words) == 0
    assert originals.main([*words, "--repeats", "0", "--add"]) == 0
    rows = json.loads((tmp_path / "other.json").read_text())["rows"]
    assert rows == [["`dm`", 1, "digits", 0.5, 0.5, 0.9, *figures], ["`dm`", 1, "digits", *[None] * 3, *figures]]
