"""Scores of groups of test images, against counting by hand."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_distill.metrics.group_scores import group_gap, group_scores

LABELS = torch.tensor([0, 0, 1, 1, 0, 1])
SITES = ["A", "A", "A", "A", "B", "B"]
RIGHT = torch.nn.functional.one_hot(LABELS, 2).float()


def test_every_group_has_its_own_score_for_every_training_set() -> None:
    wrong_in_b = RIGHT.clone()
    wrong_in_b[4:] = wrong_in_b[4:].flip(1)
    logits = {"distilled": torch.stack([RIGHT, wrong_in_b]), "full": RIGHT[None]}
    scores = group_scores(logits, LABELS, {"site": SITES, "patient": list("uvwxyz"), "constant": ["x"] * 6})
    assert list(scores) == ["site"]
    found = scores["site"]["distilled"]
    assert {site: row["images"] for site, row in found.items()} == {"A": 4, "B": 2}
    assert [found[site]["accuracy"]["values"] for site in "AB"] == [[1.0, 1.0], [1.0, 0.0]]
    assert group_gap(found) == pytest.approx(0.5)
    assert group_gap(scores["site"]["full"]) == 0


def test_a_column_with_many_values_is_no_group() -> None:
    labels = torch.arange(60) % 2
    logits = torch.nn.functional.one_hot(labels, 2)[None].float()
    columns = {"age": [str(i % 30) for i in range(60)], "sex": ["FM"[i % 2] for i in range(60)]}
    assert list(group_scores({"full": logits}, labels, columns)) == ["sex"]
