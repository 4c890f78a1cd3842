"""The table that is printed at the end and pasted into a README."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from monai_distill.export import score_table

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
        "distilled",
        "random real, same size",
        "all training images",
        "most frequent class",
    ]
    assert table[2][1:] == ["0.800 ± 0.012", "0.810 ± 0.012", "0.820 ± 0.012", "0.830 ± 0.012"]
    assert table[5][1:] == ["0.250", "", "", ""]


def test_further_controls_stand_between_random_and_all_images() -> None:
    scores = {"distilled": row(0.8), "random": row(0.5), "full": row(0.9), "prior": {"accuracy": 0.25}}
    table = cells(score_table({**scores, "controls": {"soft_label_random": row(0.6), "k_center": row(0.4)}}))
    assert [(line[0], line[1][:5]) for line in table[3:6]] == [
        ("random real, same size", "0.500"),
        ("k-center, same size", "0.400"),
        ("random with soft labels", "0.600"),
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
        "distilled",
        "0.800",
        "0.810",
        "0.820",
        "-",
    ]


def test_a_network_trained_by_dp_sgd_stands_below_the_distilled_set() -> None:
    scores = {"distilled": row(0.8), "dp_sgd": {**row(0.7, None), "epsilon": 1.0}, "prior": {"accuracy": 0.25}}
    table = cells(score_table(scores))
    assert [line[0] for line in table[2:]] == ["distilled", "all, by DP-SGD", "most frequent class"]
    assert table[3][1] == "0.700"
