"""Clopper and Pearson's interval against SciPy's own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from scipy.stats import binomtest

from monai_distill.privacy.audit import clopper_pearson


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (1, 1), (0, 50), (50, 50), (3, 1000), (517, 1000), (8, 8000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_agrees_with_scipy(hits: int, trials: int, confidence: float) -> None:
    oracle = binomtest(hits, trials).proportion_ci(confidence, method="exact")
    assert clopper_pearson(hits, trials, confidence) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


@pytest.mark.parametrize("wrong", [(1, 0, 0.95), (2, 1, 0.95), (-1, 1, 0.95), (0, 1, 1.0)])
def test_refuses_what_is_no_share(wrong: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="Expected 0 <= hits <= trials"):
        clopper_pearson(*wrong)
