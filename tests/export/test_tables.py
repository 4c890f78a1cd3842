"""The tables that are printed and pasted into a README."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from monai_distill.export.tables import cost_table, markdown_table, mean_and_std, score_table

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")


def row(start: float, std: float | None = 0.0123) -> dict[str, Any]:
    return {name: {"mean": start + i / 100, "std": std, "values": []} for i, name in enumerate(METRICS)}


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_every_row_stands_under_its_metric_with_mean_and_deviation() -> None:
    scores = {"distilled": row(0.8), "random": row(0.5), "full": row(0.9), "prior": {"accuracy": 0.25}}
    table = cells(score_table(scores))
    assert table[0] == ["trained on", "accuracy", "balanced accuracy", "macro F1", "macro AUROC"]
    assert [line[0] for line in table[2:]] == [
        "distilled images",
        "as many random real images",
        "all training images",
        "most frequent class",
    ]
    assert table[2][1:] == ["0.800 ± 0.012", "0.810 ± 0.012", "0.820 ± 0.012", "0.830 ± 0.012"]
    assert table[5][1:] == ["0.250", "", "", ""]


def test_further_controls_stand_between_random_and_all_images() -> None:
    scores = {"distilled": row(0.8), "random": row(0.5), "full": row(0.9), "prior": {"accuracy": 0.25}}
    table = cells(score_table({**scores, "controls": {"soft_label_random": row(0.6), "k_center": row(0.4)}}))
    assert [(line[0], line[1][:5]) for line in table[3:6]] == [
        ("as many random real images", "0.500"),
        ("as many real images by k-center", "0.400"),
        ("as many random real images with soft labels", "0.600"),
    ]


def test_it_is_markdown_with_columns_of_one_width() -> None:
    lines = score_table({"distilled": row(0.8), "random": row(0.5), "prior": {"accuracy": 0.25}}).splitlines()
    assert {len(line) for line in lines} == {len(lines[0])}
    assert set(lines[1]) == {"|", "-"}
    assert all(line.startswith("|") and line.endswith("|") for line in lines)


def test_a_row_that_was_not_scored_is_left_out() -> None:
    table = score_table({"distilled": row(0.8), "random": row(0.5), "prior": {"accuracy": 0.25}})
    assert "all training images" not in table


def test_one_student_has_no_deviation_and_an_undefined_score_shows_a_dash() -> None:
    single = row(0.8, std=None)
    single["auroc"] = {"mean": None, "std": None, "values": [None]}
    assert cells(score_table({"distilled": single, "prior": {"accuracy": 0.25}}))[2] == [
        "distilled images",
        "0.800",
        "0.810",
        "0.820",
        "-",
    ]


def test_a_network_trained_by_dp_sgd_stands_below_the_distilled_set() -> None:
    scores = {"distilled": row(0.8), "dp_sgd": {**row(0.7, None), "epsilon": 1.0}, "prior": {"accuracy": 0.25}}
    table = cells(score_table(scores))
    assert [line[0] for line in table[2:]] == [
        "distilled images",
        "all training images, by DP-SGD",
        "most frequent class",
    ]
    assert table[3][1] == "0.700"


def test_every_line_is_as_wide_as_the_widest_cells() -> None:
    table = {"title": "", "header": ["trained on", "ä"], "rows": [["x", "0.5 ± 0.1"], ["", ""]]}
    lines = markdown_table(table).splitlines()  # type: ignore[arg-type]
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "|------------|-----------|"
    assert lines[3] == "|            |           |"


def test_rows_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        markdown_table({"title": "", "header": ["a", "b"], "rows": [["1"]]})


def test_a_missing_score_differs_from_zero() -> None:
    value = {"interval95": None, "values": []}
    assert mean_and_std({"mean": 0.0, "std": 0.0, **value}) == "0.000 ± 0.000"  # type: ignore[typeddict-item]
    assert mean_and_std({"mean": None, "std": None, **value}) == mean_and_std(None) == "-"  # type: ignore[typeddict-item]


def test_percentages_are_of_the_whole_and_nothing_divides_by_zero() -> None:
    cost: Any = {"seconds": {"experts": 1.0, "validation": 3.0}, "peak_memory_mib": 10.0, "memory_of": "H200"}
    lines = cost_table(cost).splitlines()
    assert [line.split("|")[1:4] for line in lines[2:5]] == [
        [" experts    ", "     1.0 ", "      25 "],
        [" validation ", "     3.0 ", "      75 "],
        [" in all     ", "     4.0 ", "     100 "],
    ]
    assert lines[5] == "Peak memory: 10 MiB (H200)"
    assert "0 |" in cost_table({**cost, "seconds": {"other": 0.0}})
