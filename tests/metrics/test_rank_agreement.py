"""Spearman on made rankings, of all and of the best."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from monai_distill.metrics.rank_agreement import rank_agreement


def formula(first: list[float], second: list[float]) -> float:
    """1 - 6 sum d^2 / (n (n^2 - 1)), for rankings without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    n = len(first)
    return float(1 - 6 * ((ranks[0] - ranks[1]) ** 2).sum() / (n * (n**2 - 1)))


def test_known_rankings() -> None:
    reference = [float(i) for i in range(10)]
    assert rank_agreement(reference, reference)["spearman"] == pytest.approx(1)
    assert rank_agreement(reference[::-1], reference)["spearman"] == pytest.approx(-1)
    # right on the whole, wrong among the best three
    found = rank_agreement([0, 1, 2, 3, 4, 5, 6, 9, 8, 7], reference, top=0.3)
    assert found["top_size"] == 3
    assert found["spearman"] == pytest.approx(1 - 6 * 8 / 990)
    assert found["spearman_top"] == pytest.approx(-1)


def test_it_is_the_formula_and_ignores_what_keeps_the_order() -> None:
    values = np.random.RandomState(0).rand(2, 25).tolist()
    found = rank_agreement(*values, top=0.2)
    assert found["spearman"] == pytest.approx(formula(*values))
    best = sorted(range(25), key=lambda i: -values[1][i])[:5]
    assert found["spearman_top"] == pytest.approx(formula(*[[row[i] for i in best] for row in values]))
    assert rank_agreement([math.exp(v) for v in values[0]], values[1], top=0.2) == found


@pytest.mark.parametrize(
    ("count", "top", "size"), [(72, 0.2, 15), (10, 0.2, 2), (5, 1.0, 5), (10, 0.3, 3), (3, 0.01, 1)]
)
def test_the_top_is_rounded_up(count: int, top: float, size: int) -> None:
    assert rank_agreement(range(count), range(count), top)["top_size"] == size


def test_what_cannot_be_ranked_is_none_and_no_warning() -> None:
    assert rank_agreement([1, 1, 1], [1, 2, 3])["spearman"] is None
    assert rank_agreement([1, 2], [1, 2])["spearman"] is None
    assert rank_agreement(range(10), range(10), top=0.2)["spearman_top"] is None


@pytest.mark.parametrize(
    ("first", "second", "top"), [([1, 2], [1], 0.5), ([1], [1], 0.0), ([1], [1], 1.1), ([math.nan, 1], [1, 2], 0.5)]
)
def test_impossible_rankings_are_refused(first: list[float], second: list[float], top: float) -> None:
    with pytest.raises(ValueError, match="Expected two rankings"):
        rank_agreement(first, second, top)
