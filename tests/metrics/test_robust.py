"""DD-Ranking's formulas by hand, and their bounds for any accuracies."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from monai_distill.metrics.robust import (
    augmentation_robust_score,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)

CORNERS = [0.0, 1e-12, 0.3, 0.5, 1 - 1e-12, 1.0]


def test_published_rows_of_cifar10() -> None:
    """HLR and IOR in percent of DD-Ranking's leaderboard and the LRS that fractions give."""
    for hlr, ior, expected in ((52.66, 12.40, 19.1), (23.73, 30.90, 28.4), (67.82, -5.77, 13.8), (26.84, 35.05, 28.7)):
        assert 100 * label_robust_score(hlr / 100, ior / 100) == pytest.approx(expected, abs=0.05)


def test_by_hand() -> None:
    assert hard_label_recovery(0.9, 0.6) == pytest.approx(0.3)
    assert improvement_over_random(0.6, 0.7) == pytest.approx(-0.1)
    a = 0.25 * 0.2 - 0.75 * 0.4
    assert label_robust_score(0.4, 0.2, 0.25) == pytest.approx((math.e**a - 1 / math.e) / (math.e - 1 / math.e))
    b = 0.25 * 0.2 + 0.75 * -0.4
    assert augmentation_robust_score(0.2, -0.4, 0.25) == pytest.approx((math.e**b - 1 / math.e) / (math.e - 1 / math.e))


def test_both_scores_stay_in_0_to_1_for_any_accuracies() -> None:
    random = np.random.default_rng(0)
    drawn = [*random.uniform(size=(3000, 5)), *(np.array(c) for c in itertools.product(CORNERS, repeat=5))]
    for full, distilled, rival, plain, rival_plain in drawn:
        for weight in (0.0, 0.5, 1.0, float(random.uniform())):
            ior = improvement_over_random(distilled, rival)
            label = label_robust_score(hard_label_recovery(full, plain), ior, weight)
            augmentation = augmentation_robust_score(ior, improvement_over_random(plain, rival_plain), weight)
            assert 0 <= label <= 1
            assert 0 <= augmentation <= 1


def test_better_sets_score_higher() -> None:
    values = [label_robust_score(hlr, ior) for hlr, ior in ((0.5, 0.1), (0.3, 0.1), (0.3, 0.2), (0.0, 0.2))]
    assert values == sorted(values)
    values = [augmentation_robust_score(a, p) for a, p in ((0.1, 0.0), (0.2, 0.0), (0.2, 0.1))]
    assert values == sorted(values)


@pytest.mark.parametrize("score", [hard_label_recovery, improvement_over_random])
def test_percent_is_refused(score: Callable[[float, float], float]) -> None:
    for pair in ((64.3, 0.5), (0.5, -0.1), (math.nan, 0.5)):
        with pytest.raises(ValueError, match="Divide percent by 100"):
            score(*pair)


@pytest.mark.parametrize("score", [label_robust_score, augmentation_robust_score])
def test_differences_and_weights_out_of_range_are_refused(score: Callable[..., float]) -> None:
    for arguments in ((23.7, 0.3), (0.3, math.nan), (0.3, 0.3, 1.5), (0.3, 0.3, math.nan)):
        with pytest.raises(ValueError, match="weight in"):
            score(*arguments)
