"""A part of a configuration with all that it refers to, and no more."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from monai_distill.configuration.dependencies import with_dependencies

JOB = {
    "train": {"dataset": "$@make(section='training')", "trainer": {"epochs": "@epochs"}, "handlers": ["@saver"]},
    "make": {"_target_": "Images", "size": "@sides"},
    "sides": [8, "@depth"],
    "depth": 3,
    "epochs": 5,
    "saver": "@saver_settings",
    "saver_settings": {"again": "@saver"},
}


def test_only_the_item_that_is_requested_comes_along_with_what_it_needs() -> None:
    made = with_dependencies({"run": ["$@train#dataset.x"]}, JOB)
    assert made["train"] == {"dataset": JOB["train"]["dataset"]}
    assert set(made) == {"run", "train", "make", "sides", "depth"}
    assert made["depth"] == 3


def test_items_of_lists_rings_and_both_separators_are_followed() -> None:
    made = with_dependencies({"a": "@train::handlers::0", "b": "@train#trainer#epochs"}, JOB)
    assert made["train"] == {"handlers": ["@saver"], "trainer": {"epochs": "@epochs"}}
    assert made["saver_settings"] == {"again": "@saver"}


def test_what_the_part_says_itself_is_kept_and_the_job_left_as_it_is() -> None:
    made = with_dependencies({"a": "@epochs", "epochs": 1, "train": {"dataset": []}, "b": "@train#dataset"}, JOB)
    assert made == {"a": "@epochs", "epochs": 1, "train": {"dataset": []}, "b": "@train#dataset"}
    made = with_dependencies({"b": "@train#trainer"}, JOB)
    made["train"]["trainer"]["epochs"] = 0
    assert JOB["train"]["trainer"] == {"epochs": "@epochs"}


def test_a_reference_to_nothing_is_reported() -> None:
    with pytest.raises(ValueError, match="Expected typo in the configuration"):
        with_dependencies({"a": "@typo"}, JOB)
