"""Leave-one-out LiRA against loops over SciPy's densities; no score may know its own membership."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from monai_distill.privacy.audit.calibration import calibrated


def drawn(shadows: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    return random.normal(10, 2, (shadows, count)), random.random((shadows, count)) < 0.5


def others(statistics: np.ndarray, members: np.ndarray, s: int, i: int, inside: bool) -> np.ndarray:
    return np.array([statistics[o, i] for o in range(len(statistics)) if o != s and members[o, i] == inside])


def test_offline_counts_deviations_above_the_others_that_are_out() -> None:
    statistics, members = drawn(10)
    spread = np.sqrt(statistics.var(axis=0).mean())
    scores = calibrated(statistics, members, one_sided=False)
    for s, i in np.ndindex(statistics.shape):
        assert scores[s, i] == pytest.approx(
            (statistics[s, i] - others(statistics, members, s, i, False).mean()) / spread
        )


@pytest.mark.parametrize("shadows", [20, 80])
def test_online_is_the_log_ratio_of_two_gaussian_densities(shadows: int) -> None:
    statistics, members = drawn(shadows)
    scores = calibrated(statistics, members, one_sided=False)
    shared = np.sqrt(statistics.var(axis=0).mean())
    for s, i in np.ndindex(statistics.shape):
        logs = []
        for inside in (True, False):
            rest = others(statistics, members, s, i, inside)
            spread = shared if shadows < 64 else rest.std(ddof=1)
            logs.append(norm.logpdf(statistics[s, i], rest.mean(), spread))
        assert scores[s, i] == pytest.approx(logs[0] - logs[1])


@pytest.mark.parametrize("one_sided", [True, False])
@pytest.mark.parametrize("shadows", [4, 20, 70])
def test_a_score_does_not_know_its_own_membership(shadows: int, one_sided: bool) -> None:
    statistics, members = drawn(shadows)
    flipped = members.copy()
    flipped[0] = ~flipped[0]
    before, after = (calibrated(statistics, m, one_sided=one_sided)[0] for m in (members, flipped))
    np.testing.assert_allclose(before, after, rtol=1e-9)  # sums in another order


def test_an_image_that_was_always_in_still_has_a_score() -> None:
    assert np.isfinite(calibrated(drawn(4)[0], np.ones((4, 5), dtype=bool), one_sided=True)).all()
    assert np.isfinite(calibrated(np.ones((4, 5)), drawn(4)[1], one_sided=True)).all()


def test_refuses_two_shadows_and_infinity() -> None:
    with pytest.raises(ValueError, match="at least 3 shadows"):
        calibrated(*drawn(2), one_sided=True)
    with pytest.raises(ValueError, match="finite"):
        calibrated(np.full((3, 2), np.inf), np.ones((3, 2), dtype=bool), one_sided=True)
