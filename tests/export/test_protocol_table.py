"""The tables say what the scores say."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from monai_distill.export import protocol_tables


def cell(mean: float | None, std: float | None = None) -> dict[str, Any]:
    return {"accuracy": {"mean": mean, "std": std}, "balanced_accuracy": {"mean": 0.25, "std": None}}


def rows(text: str) -> list[list[str]]:
    return [[word.strip() for word in line.strip("|").split("|")] for line in text.splitlines() if "---" not in line]


def test_every_architecture_has_a_row_with_both_sets_and_their_step_sizes() -> None:
    text = protocol_tables(
        {
            "cross_architecture": {"vit": {**cell(0.5, 0.125), "lr": 0.0123}},
            "cross_architecture_random": {"vit": {**cell(None), "lr": 0.1}},
        }
    )
    assert rows(text)[1] == ["vit", "0.500 ± 0.125", "-", "0.250", "0.250", "0.0123 / 0.1"]


def test_the_search_shows_agreement_cost_and_what_its_pick_is_worth() -> None:
    kind = {"seconds": 61.4, "pick": "width 8", "pick_on_full_data": {"test": cell(0.75)}}
    agreement = {"spearman": 0.5, "spearman_top": None, "top_size": 4}
    lost = {**kind, "pick_on_full_data": {"test": {}}}
    text = protocol_tables(
        {
            "nas": {
                "architectures": 16,
                "distilled": {**kind, **agreement},
                "random": {**lost, **agreement},
                "full": kind,
            }
        }
    )
    table = rows(text)
    assert table[0][1:3] == ["Spearman, all 16", "Spearman, top 4"]
    assert table[1] == ["distilled", "0.500", "-", "61", "0.750 (width 8)"]
    assert table[2][4] == "- (width 8)"
    assert table[3][:3] == ["all training images", "1", "1"]


def test_continual_learning_has_a_row_a_step_and_the_mean() -> None:
    steps = [{"classes_seen": n, "memory_images": 1.5 * n, "distilled": cell(0.9), "random": cell(0.8)} for n in (2, 4)]
    average = {kind: {"accuracy": 0.85} for kind in ("distilled", "random")}
    table = rows(protocol_tables({"continual": {"steps": steps, "average": average}}))
    assert table[1:] == [
        ["2", "3", "0.900", "0.800"],
        ["4", "6", "0.900", "0.800"],
        ["mean of the steps", "", "0.850", "0.850"],
    ]


def test_plain_scores_make_no_table_and_several_are_kept_apart() -> None:
    assert protocol_tables({"distilled": cell(0.5)}) == ""
    continual = {"steps": [], "average": {kind: {"accuracy": 0.5} for kind in ("distilled", "random")}}
    text = protocol_tables({"cross_architecture": {}, "cross_architecture_random": {}, "continual": continual})
    assert text.count("\n\n") == 1
