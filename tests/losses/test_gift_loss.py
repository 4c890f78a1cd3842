"""GIFT: refined labels and the cosine loss in numpy, from https://arxiv.org/abs/2405.14736."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses.gift_loss import cosine_loss, refined_labels
from monai_distill.runtime.randomness import seeded_generator

LOGITS = torch.randn(4, 3, generator=seeded_generator(0, "logits"), dtype=torch.float64)
LABELS = torch.tensor([2, 0, 1, 1])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_refined_labels_are_a_mix_of_two_unit_vectors(share: float) -> None:
    rows = []
    for logits, label in zip(LOGITS.numpy(), LABELS.tolist(), strict=True):
        soft = np.exp(logits) / np.exp(logits).sum()
        hard = np.full(3, 0.1 / 3)
        hard[label] += 0.9
        rows.append(share * hard / np.linalg.norm(hard) + (1 - share) * soft / np.linalg.norm(soft))
    np.testing.assert_allclose(refined_labels(LOGITS, LABELS, share, smoothing=0.1), np.stack(rows))


def test_the_loss_is_one_minus_the_mean_cosine_whatever_the_length_of_a_label() -> None:
    targets = refined_labels(LOGITS.flip(0), LABELS)
    a, b = LOGITS.numpy(), targets.numpy()
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert float(cosine_loss(LOGITS, targets)) == pytest.approx(1 - cosines.mean(), rel=1e-12)
    assert float(cosine_loss(LOGITS, 7 * targets)) == pytest.approx(1 - cosines.mean(), rel=1e-12)


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="hard_share"):
        refined_labels(LOGITS, LABELS, hard_share=1.5)
