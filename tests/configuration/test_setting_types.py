"""A setting has the type of its default, or of the argument that receives it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from monai_distill.configuration.files import config_dir, read_yaml, run_files
from monai_distill.configuration.setting_types import ABOVE_ZERO, COUNTS_FROM_ZERO, checked_settings, checked_values

MTT, DATM = run_files("digits", "convnet", "mtt"), run_files("digits", "convnet", "datm")
GUARANTEED = run_files("digits", "convnet", "mtt", guaranteed=True)


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("iterations", 1e3, 1000),  # an int in YAML
        ("image_lr", 0.5, 0.5),
        ("image_lr", 0, 0),
        ("full_students", 0, 0),
        ("min_start_epoch", 0, 0),
        ("zca", True, True),
        ("compile_training", "reduce-overhead", "reduce-overhead"),  # bool in YAML, bool or text in the signature
        ("gate", 1, 1),  # null in YAML, float in the signature
        ("chunk", 2.0, 2),  # null in YAML, int in the signature
        ("expert_train_epochs", 5, 5),  # computed: the return annotation
        ("operations", ["crop"], ["crop"]),
        ("experts", "$2 * 3", "$2 * 3"),
        ("student_lr", None, None),
        ("train#trainer#max_epochs", 3, 3),
    ],
)
def test_a_value_of_the_right_type_passes(name: str, value: Any, result: Any) -> None:
    checked = checked_settings({name: value}, DATM)[name]
    assert checked == result
    assert type(checked) is type(result)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("iterations", 0, "whole number of at least 1"),
        ("iterations", 2.5, "whole number of at least 1"),
        ("iterations", True, "whole number of at least 1"),
        ("iterations", "many", "whole number of at least 1"),
        ("min_start_epoch", -1, "whole number of at least 0"),
        ("full_students", -1, "whole number of at least 0"),
        ("image_lr", -1, "number of at least 0"),
        ("student_lr", 0, "number above 0"),
        ("student_lr", float("nan"), "number above 0"),
        ("gate", 0, "number above 0"),
        ("gate", "high", "number above 0"),
        ("chunk", 0, "whole number of at least 1"),
        ("chunk", 1.5, "whole number of at least 1"),
        ("expert_train_epochs", "long", "whole number of at least 1"),
        ("zca", "yes", "true or false"),
        ("zca", 1, "true or false"),
        ("compile_training", 3, "true, false or one of reduce-overhead"),
        ("compile_training", "fast", "true, false or one of reduce-overhead"),
        ("initial_images", 3, "text"),
    ],
)
def test_another_value_is_refused_with_what_was_expected_and_given(name: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=f"{expected}.*--{name}.*{value}"):
        checked_settings({name: value}, DATM)


@pytest.mark.parametrize("value", ["abc", "8,8", 8.5, 0])
def test_a_number_for_every_axis_is_named_as_a_way_out(value: Any) -> None:
    with pytest.raises(ValueError, match=r"whole number of at least 1, or a list of them such as \[64, 64\] for --im"):
        checked_settings({"image_size": value}, run_files("npz", "convnet", "dm"))


def test_types_behind_a_reference_are_found() -> None:
    with pytest.raises(ValueError, match="expert_lr"):  # '@dp_lr'
        checked_settings({"expert_lr": "fast"}, GUARANTEED)
    with pytest.raises(ValueError, match="public_records"):  # null, an argument of a nested component
        checked_settings({"public_records": 0.5}, GUARANTEED)


def test_the_settings_of_the_protocols_have_types_too() -> None:
    protocols = [read_yaml(config_dir() / "protocols.yaml")]
    assert checked_values({"nas_top": 0.5, "cross_students": 3}, protocols) == {"nas_top": 0.5, "cross_students": 3}
    with pytest.raises(ValueError, match="cross_students"):
        checked_values({"cross_students": 0}, protocols)


def test_the_exceptions_are_settings() -> None:
    """A setting that is renamed must not lose its exception silently."""
    known = {name for file in config_dir().rglob("*.yaml") for name in read_yaml(file)}
    assert known >= ABOVE_ZERO | COUNTS_FROM_ZERO
