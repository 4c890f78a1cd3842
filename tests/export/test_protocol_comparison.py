"""Further protocols over several methods: who has a row, whose random row it is, what the picture holds."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

from monai_distill.export.protocol_comparison import protocol_comparison
from PIL import Image


def row(mean: float) -> dict[str, Any]:
    return {name: {"mean": mean, "std": 0.01} for name in ("accuracy", "balanced_accuracy")}


def across(mean: float, *names: str) -> dict[str, Any]:
    return {
        "cross_architecture": {name: row(mean) for name in names},
        "cross_architecture_random": {name: row(mean / 2) for name in names},
    }


def cells(table: str) -> list[list[str]]:
    return [[word.strip() for word in line.strip("|").split("|")] for line in table.splitlines() if "---" not in line]


def test_methods_by_architectures_with_the_first_runs_random_set(tmp_path: Path) -> None:
    runs = {"mtt": across(0.8, "convnet", "vit"), "ftd": {}, "dm": across(0.6, "convnet")}
    first, second = protocol_comparison(tmp_path, runs).split("\n\n")
    assert cells(first) == [
        ["accuracy of other networks", "convnet", "vit"],
        ["mtt", "0.800 ± 0.010", "0.800 ± 0.010"],
        ["dm", "0.600 ± 0.010", "-"],
        ["random real, same size", "0.400 ± 0.010", "0.400 ± 0.010"],
    ]
    assert cells(second)[0][0] == "balanced accuracy of other networks"
    with Image.open(tmp_path / "cross_architecture.png") as picture:
        assert min(picture.size) > 100


def test_search_and_continual_learning_have_a_row_a_method(tmp_path: Path) -> None:
    def nas(spearman: float | None, seconds: float) -> dict[str, Any]:
        found = {"spearman": spearman, "spearman_top": None, "seconds": seconds}
        return {"nas": {"distilled": found, "random": {**found, "spearman": 0.25}}}

    def continual(mean: float) -> dict[str, Any]:
        average = {"accuracy": mean, "balanced_accuracy": mean / 2}
        return {"continual": {"average": {"distilled": average, "random": {**average, "accuracy": 0.1}}}}

    runs = {"mtt": {**nas(0.5, 61.4), **continual(0.75)}, "dm": continual(0.5)}
    search, memory = protocol_comparison(tmp_path, runs).split("\n\n")
    assert cells(search)[1:] == [["mtt", "0.500", "-", "61"], ["random real, same size", "0.250", "-", "61"]]
    assert [line[:2] for line in cells(memory)[1:]] == [
        ["mtt", "0.750"],
        ["dm", "0.500"],
        ["random real, same size", "0.100"],
    ]
    assert list(tmp_path.iterdir()) == []


def test_runs_without_further_protocols_have_no_table(tmp_path: Path) -> None:
    assert protocol_comparison(tmp_path, {"mtt": {"distilled": row(0.5)}}) == ""
    assert list(tmp_path.iterdir()) == []
