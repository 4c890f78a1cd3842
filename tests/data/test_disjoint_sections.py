"""Which of two identical images is dropped."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_distill.data import SplitBanks
from monai_distill.data.disjoint_sections import without_copies
from monai_distill.transforms import Standardize

NAMES = ("training", "validation", "test")


class Section:
    """Images that are constant: a list of values."""

    class_names = ("a", "b")

    def __init__(self, values: list[float]) -> None:
        self.data: list[dict[str, Any]] = [
            {"image": torch.full((1, 2, 2), value), "label": number % 2, "site": f"site {value:g}"}
            for number, value in enumerate(values)
        ]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.data[index]


def values_of(sections: dict[str, list[float]], drop_held_out: bool) -> tuple[dict[str, list[float]], SplitBanks]:
    parts = [Section(sections[name]) for name in NAMES]
    with pytest.warns(UserWarning, match="Identical images lie in two sections"):
        data = SplitBanks(*parts, fit=Standardize.fit, drop_held_out=drop_held_out)
    pixels = {name: data.preprocessing.inverse(getattr(data, name).images[:])[:, 0, 0, 0] for name in NAMES}
    return {name: [round(float(v), 4) for v in value] for name, value in pixels.items()}, data


SECTIONS = {"training": [1.0, 2.0, 3.0, 3.0, 4.0], "validation": [5.0, 6.0, 3.0], "test": [7.0, 8.0, 3.0, 6.0, 9.0]}


def test_the_later_of_two_identical_images_is_dropped_on_request() -> None:
    values, data = values_of(SECTIONS, True)
    assert values == {"training": [1, 2, 3, 3, 4], "validation": [5, 6], "test": [7, 8, 9]}
    assert data.dropped == {"validation": 1, "test": 2}
    assert data.test.labels.tolist() == [0, 1, 0]
    assert data.test_columns["site"] == ["site 7", "site 8", "site 9"]  # in step with the images
    assert data.training_columns["site"] == [f"site {v}" for v in (1, 2, 3, 3, 4)]
    values, data = values_of(SECTIONS, False)
    assert values == {"training": [1, 2, 4], "validation": [5], "test": [7, 8, 3, 6, 9]}


def test_then_no_held_out_image_decides_which_ones_are_trained_on() -> None:
    """The reason: a held-out record that is left out moves two training records otherwise."""
    less = {**SECTIONS, "validation": [5.0, 6.0], "test": [7.0, 8.0, 6.0]}
    assert values_of(SECTIONS, True)[0]["training"] == values_of(less, True)[0]["training"]
    moved = len(values_of(less, False)[0]["training"]) - len(values_of(SECTIONS, False)[0]["training"])
    assert moved == 2


def test_an_audit_leaves_the_same_images_out_of_what_was_not_used() -> None:
    training, test = Section(SECTIONS["training"]), Section(SECTIONS["test"])
    left = without_copies(test, training, True)
    assert [item["site"] for item in left.data] == ["site 7", "site 8", "site 6", "site 9"]
    assert [float(left[i]["image"].mean()) for i in range(len(left))] == [7, 8, 6, 9]
    assert without_copies(test, training, False) is test
