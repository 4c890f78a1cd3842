"""Areas and rates against scikit-learn and by counting; and that noise is not taken for a leak."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from monai_distill.privacy.audit.attack_figures import attack_figures
from monai_distill.privacy.audit.calibration import calibrated


def drawn(shadows: int, count: int, lift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    members = random.random((shadows, count)) < 0.5
    return random.normal(size=members.shape) + lift * members, members


def test_area_and_rates_are_those_of_the_definitions() -> None:
    scores, members = drawn(40, 500, lift=1.0)
    figures = attack_figures(scores, members, np.arange(500))
    assert figures["auc"] == pytest.approx(roc_auc_score(members.ravel(), scores.ravel()))
    for rate in (0.001, 0.01):
        outside = np.sort(scores[~members])[::-1]
        limit = outside[int(rate * len(outside))]  # as many lie above it as the rate allows
        hits = int((scores[members] > limit).sum())
        found = figures["tpr_at_fpr"][f"{rate:g}"]
        oracle = binomtest(hits, int(members.sum())).proportion_ci(method="exact")
        assert (found["value"], found["low"], found["high"]) == pytest.approx(
            (hits / members.sum(), oracle.low, oracle.high)
        )
    assert figures["seen"]


def test_a_rate_is_given_only_where_there_are_scores_enough() -> None:
    scores, members = drawn(4, 1000, lift=0.0)
    figures = attack_figures(scores, members, np.arange(1000))
    assert list(figures["tpr_at_fpr"]) == ["0.01"]
    assert figures["not_given"] == {"0.001": f"needs 8000 scores of non-members, there are {(~members).sum()}"}


def test_ties_are_not_above_the_threshold() -> None:
    members = np.tile([True, False], (10, 200))
    figures = attack_figures(np.zeros(members.shape), members, np.arange(400))
    assert figures["tpr_at_fpr"]["0.01"]["value"] == 0.0
    assert figures["auc"] == 0.5
    assert not figures["seen"]


@pytest.mark.parametrize("shadows", [3, 8, 16])
def test_noise_that_calibrates_itself_deviates_as_chance_does(shadows: int) -> None:
    found = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        members = random.random((shadows, 200)) < 0.5
        lasting = 3 * random.normal(size=200)  # some images always look like members
        scores = calibrated(random.normal(size=members.shape) + lasting, members, one_sided=seed % 2 == 0)
        found.append(attack_figures(scores, members, np.arange(200)))
    assert not any(figures["seen"] for figures in found)
    assert abs(np.mean([figures["auc"] for figures in found]) - 0.5) < 0.01
    assert np.mean([figures["deviations"] for figures in found]) < 1.5  # the largest of four


def test_images_drawn_together_count_once() -> None:
    members = np.repeat(np.random.default_rng(0).random((1, 5)) < 0.5, 100, axis=1)
    scores = members + 0.0
    assert attack_figures(scores, members, np.arange(500))["seen"]
    assert not attack_figures(scores, members, np.repeat(np.arange(5), 100))["seen"]


def test_refuses_other_shapes_and_what_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="units"):
        attack_figures(np.zeros((2, 3)), np.ones((2, 3), dtype=bool), np.arange(2))
    with pytest.raises(ValueError, match="NaN"):
        attack_figures(np.full((2, 3), np.nan), np.ones((2, 3), dtype=bool), np.arange(3))


def test_without_anyone_outside_there_is_no_area() -> None:
    figures = attack_figures(np.zeros((2, 3)), np.ones((2, 3), dtype=bool), np.arange(3))
    assert figures["auc"] is None
    assert not figures["seen"]
