"""DM: the distance of mean embeddings, against eq. 5 of https://arxiv.org/abs/2110.04181 in numpy."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import DistributionMatchingLoss
from monai_distill.losses.class_sums import class_sums
from monai_distill.runtime.randomness import seeded_generator


def test_loss_adds_up_squared_distances_of_class_means_over_features() -> None:
    labels, own_labels = torch.tensor([0, 0, 1, 0]), torch.tensor([1, 0])
    generator = seeded_generator(0, "features")
    real = [torch.randn(4, size, generator=generator, dtype=torch.float64) for size in (3, 6)]
    own = [torch.randn(2, size, generator=generator, dtype=torch.float64) for size in (3, 6)]
    expected = 0.0
    for r, o in zip(real, own, strict=True):
        for c in (0, 1):
            gap = r[labels == c].numpy().mean(0) - o[own_labels == c].numpy().mean(0)
            expected += float(np.dot(gap, gap))
    value = DistributionMatchingLoss()(
        [class_sums(r, labels, 2) for r in real], [class_sums(o, own_labels, 2) for o in own]
    )
    assert value.shape == ()
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_sides_with_another_number_of_features_are_refused() -> None:
    sums = class_sums(torch.ones(1, 2), torch.tensor([0]), 1)
    with pytest.raises(ValueError, match="shorter"):
        DistributionMatchingLoss()([sums, sums], [sums])
