"""How numbers are written."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from monai_distill.export.report.page_elements import flat_table, number, settings_table, spread
from monai_distill.export.report.score_rows import same_size_rows, score_table_section
from monai_distill.metrics.score_tables import apart
from tests.export.report.conftest import metric, row, scores


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.5, "0.500"), (12, "12"), (False, "no"), (2e-5, "2e-05"), ([0.5, None], "0.500, -"), ("x", "x")],
)
def test_a_value_is_written_for_a_reader(value: Any, text: str) -> None:
    assert number(value) == text


def test_a_summary_is_written_with_what_it_has() -> None:
    assert spread(metric(0.5, 0.0001)) == "0.500 ± 0.000\n0.500 to 0.500"
    assert spread(metric(0.5, None)) == "0.500"
    assert spread(metric(None, None)) == "-"
    assert spread({"mean": [1, 2], "std": [3, 4]}).startswith("{")  # a preprocessing is no summary


def test_figures_are_named_by_their_path_and_settings_are_described_in_words() -> None:
    assert flat_table("t", {"a": {"b": metric(0.5, None)}, "c": [{"d": 1}]})["rows"] == [
        ["a, b", "0.500"],
        ["c, 1, d", "1"],
    ]
    assert flat_table("t", {"a": list(range(20))})["rows"][0][1].endswith("10, 11 and 8 more")
    assert settings_table("t", {"a_b": {"_target_": "x.y.Z", "c_d": None, "e": True}})["rows"] == [
        ["a b", "Z; c d -; e yes"]
    ]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (metric(0.9, 0.1), metric(0.5, 0.1), 1),
        (metric(0.5, 0.1), metric(0.9, 0.1), -1),
        (metric(0.75, 0.125), metric(0.5, 0.125), 0),  # a gap of exactly both is not above both
        (metric(0.9, None), metric(0.5, 0.1), None),
        (None, metric(0.5), None),
    ],
)
def test_two_rows_are_apart_only_beyond_both_deviations(first: Any, second: Any, verdict: int | None) -> None:
    assert apart(first, second) == verdict


def test_rows_of_the_same_size_are_random_and_the_controls() -> None:
    found = scores(controls={"herding": row(0.5), "new_one": row(0.5)}, dp_sgd=row(0.5))
    assert list(same_size_rows(found)) == ["random", "herding", "new_one"]
    titles = [line[0] for line in score_table_section(found)["rows"]]
    assert titles[:3] == ["distilled images", "all training images, by DP-SGD", "as many random real images"]
    assert titles[-3:] == ["all training images", "new one", "most frequent class"]


def test_an_interval_is_cut_where_no_score_can_lie() -> None:
    assert spread({"mean": 0.9, "std": 0.1, "interval95": [0.65, 1.15]}).endswith("\n0.650 to 1.000")
    assert spread({"mean": 0.1, "std": 0.1, "interval95": [-0.15, 0.35]}).endswith("\n0.000 to 0.350")
