"""Mean, spread and interval against SciPy and by hand."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from monai_distill.metrics import summary


@pytest.mark.parametrize("values", [[0.5, 0.7], [0.61, 0.64, 0.58, 0.66, 0.6], [0.3] * 4])
def test_summary_equals_scipy(values: list[float]) -> None:
    found = summary(values)
    assert found["mean"] == pytest.approx(sum(values) / len(values))
    assert found["std"] == pytest.approx(np.std(values, ddof=1), abs=1e-15)
    assert found["values"] == values
    if found["std"] > 1e-9:
        interval = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert found["interval95"] == pytest.approx(interval)
    else:
        assert found["interval95"] == pytest.approx([found["mean"]] * 2)


def test_summary_of_five_by_hand() -> None:
    found = summary([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764451 * math.sqrt(2.5) / math.sqrt(5)  # t table, 4 degrees of freedom, two-sided 95%
    assert (found["mean"], found["std"]) == (3.0, pytest.approx(math.sqrt(2.5)))
    assert found["interval95"] == pytest.approx([3 - half, 3 + half])


def test_one_value_has_no_spread() -> None:
    assert summary([0.5]) == {"mean": 0.5, "std": None, "interval95": None, "values": [0.5]}


@pytest.mark.parametrize("values", [[math.nan], [0.5, math.nan], [0.1, 0.2]])
def test_the_result_is_strict_json(values: list[float]) -> None:
    found = json.loads(json.dumps(summary(values), allow_nan=False))
    assert found["values"] == [None if math.isnan(v) else v for v in values]
    assert (found["mean"] is None) == any(math.isnan(v) for v in values)
