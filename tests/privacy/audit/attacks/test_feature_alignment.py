"""The attack on class means finds who is in them, and nothing in strangers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monai_distill.privacy.audit.attacks import FeatureAlignment
from monai_distill.privacy.audit.attacks.features import pixel_features
from monai_distill.privacy.audit.candidates import Candidates
from tests.privacy.audit.conftest import means_of, random_bank, unrelated_to


def test_finds_who_is_in_a_class_mean(candidates: Candidates, attacked: Callable[..., Any]) -> None:
    attack = FeatureAlignment(candidates.images, candidates.labels, random_bank(300, 77), pixel_features)
    found = attacked(attack, means_of)
    assert found["seen"]
    assert found["auc"] > 0.75  # 25 images in a mean of 64 pixels
    missed = attacked(attack, unrelated_to)
    assert not missed["seen"]
    assert abs(missed["auc"] - 0.5) < 0.03
