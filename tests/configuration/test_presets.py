"""The preset of a data set for the nearest number of images per class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_distill.configuration.files import run_files
from monai_distill.configuration.presets import preset_settings, resolve_preset

PRESETS: dict[str, Any] = {"digits": {1: {"a": 10}, 10: {"a": 20, "b": 30}, 50: {}}}


@pytest.mark.parametrize(
    ("dataset", "count", "expected"),
    [
        ("digits", 1, {"a": 10}),
        ("digits", 9, {"a": 10}),
        ("digits", 10, {"a": 20, "b": 30}),
        ("digits", 49, {"a": 20, "b": 30}),
        ("digits", 1000, {}),
        ("other", 10, {}),
    ],
)
@pytest.mark.parametrize("keys", [int, str])  # JSON has text for keys
def test_the_nearest_number_at_or_below_is_used(dataset: str, count: int, expected: dict[str, int], keys: type) -> None:
    table = {keys(number): values for number, values in PRESETS["digits"].items()}
    assert resolve_preset({"digits": table}, dataset, count) == expected


def test_below_the_smallest_number_the_smallest_is_used_and_the_table_stays_as_it_is() -> None:
    presets = {"x": {5: {"a": 2}}}
    chosen = resolve_preset(presets, "x", 1)
    chosen["a"] = 99
    assert resolve_preset(presets, "x", 1) == {"a": 2}


def test_a_misspelt_name_in_a_preset_is_refused() -> None:
    with pytest.raises(ValueError, match=r"digits at 1 .*studnet_steps.*student_steps"):
        resolve_preset({"digits": {1: {"studnet_steps": 1}}}, "digits", 1, known=["student_steps"])


def test_a_preset_starts_from_the_one_it_is_like() -> None:
    family = {
        "digits": {1: {"a": 1, "b": 1}, 10: {"like": ["digits", 1], "b": 2}},
        "mnist": {5: {"like": ["digits", 10], "c": 3}},
    }
    method = {"mnist": {1: {"a": 7}}}
    assert resolve_preset(method, "digits", 20, family) == {"a": 1, "b": 2}
    assert resolve_preset(method, "mnist", 5, family) == {"a": 7, "b": 2, "c": 3}


@given(st.dictionaries(st.integers(1, 60), st.integers(), min_size=1), st.integers(1, 80))
def test_the_resolver_finds_what_a_sorted_list_finds(numbers: dict[int, int], count: int) -> None:
    table = {"x": {number: {"a": value} for number, value in numbers.items()}}
    below = [number for number in sorted(numbers) if number <= count] or sorted(numbers)[:1]
    assert resolve_preset(table, "x", count) == {"a": numbers[below[-1]]}


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10"])
def test_a_preset_changes_nothing_that_a_guarantee_sets(dataset: str) -> None:
    files = run_files("digits", "convnet", "mtt", guaranteed=True)
    preset = preset_settings(files, dataset, 1)
    assert not preset.keys() & {"experts", "expert_lr", "zca", "initial_images"}
    assert ("public_records" in preset) == (dataset != "cifar10")


def test_a_preset_gives_its_width_to_the_convnet_where_the_network_has_its_own() -> None:
    assert "width" not in preset_settings(run_files("digits", "vit", "mtt"), "digits", 1)
    assert preset_settings(run_files("digits", "vit", "mtt"), "digits", 1)["convnet_width"] == 32
    assert preset_settings(run_files("digits", "convnet", "mtt"), "digits", 1)["width"] == 32
