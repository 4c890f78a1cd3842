"""Values that are accepted, and the names and values that a refusal states."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monai_distill.runtime.validation import (
    listed_names,
    require_in_interval,
    require_int_at_least,
    require_positive_int,
)


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_positive_integers_pass(value: Any) -> None:
    require_positive_int(steps=value)


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, "2", None, True, float("nan")])
def test_everything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="steps") as refusal:
        require_positive_int(steps=value, batch_size=4)
    assert repr(value) in str(refusal.value)
    assert "batch_size" not in str(refusal.value)


def test_zero_may_be_the_smallest_integer() -> None:
    require_int_at_least(0, epochs=0)
    with pytest.raises(ValueError, match="at least 0"):
        require_int_at_least(0, epochs=-1)


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("[0, 1)", [0, 0.5, np.float32(0.25)], [-1e-9, 1, 2, float("nan"), float("inf"), "0.5", None, True]),
        ("(0, 1]", [1e-9, 1], [0, 1.001]),
        ("[0, inf)", [0, 1e30], [-1, float("inf")]),
        ("(0, inf)", [1e-30], [0, -1]),
        ("(1, inf)", [1.5], [1, 0]),
    ],
)
def test_an_interval_has_the_ends_that_its_brackets_include(
    interval: str, inside: list[Any], outside: list[Any]
) -> None:
    for value in inside:
        require_in_interval(interval, ratio=value)
    for value in outside:
        with pytest.raises(ValueError, match="ratio"):
            require_in_interval(interval, ratio=value)


def test_the_callers_advice_replaces_the_general_one() -> None:
    with pytest.raises(ValueError, match=r"Lower --gate\.$"):
        require_in_interval("(0, inf)", "Lower --gate.", gate=-1.0)


def test_one_string_is_not_a_list_of_names() -> None:
    with pytest.raises(TypeError, match="benign"):
        listed_names("benign")
