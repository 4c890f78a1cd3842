"""IDM: class means and accuracy-weighted cross-entropy, by loops over classes as in https://arxiv.org/abs/2307.09742."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import ClassRegularizedLoss
from monai_distill.losses.class_sums import ClassSums, class_sums
from monai_distill.runtime.randomness import seeded_generator

REAL, OWN = torch.tensor([0, 0, 1, 0, 2, 1]), torch.tensor([1, 0, 2, 0])


def sides(logits: torch.Tensor, embeddings: torch.Tensor, labels: torch.Tensor) -> list[ClassSums]:
    hits = torch.nn.functional.one_hot(logits.argmax(1), 3).to(logits)
    return [class_sums(kind, labels, 3) for kind in (embeddings, logits.log_softmax(1), hits)]


def drawn(labels: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    generator = seeded_generator(0, name)
    logits = torch.randn(len(labels), 3, generator=generator, dtype=torch.float64)
    return logits + torch.eye(3)[labels], torch.randn(len(labels), 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_loss_equals_the_paper_s_sum_over_classes(weight: float) -> None:
    (real_logits, real), (own_logits, own) = drawn(REAL, "real"), drawn(OWN, "synthetic")
    expected, rates = 0.0, []
    for c in range(3):
        gap = real[c == REAL].numpy().mean(0) - own[c == OWN].numpy().mean(0)
        expected += float(np.dot(gap, gap))
        rates.append(float((real_logits[c == REAL].numpy().argmax(1) == c).mean()))
    for c in range(3):
        rows = own_logits[c == OWN].numpy()
        entropy = np.mean(np.log(np.exp(rows).sum(1)) - rows[:, c])
        expected += weight * 100 * float(np.mean(rates)) * float(entropy)
    value = ClassRegularizedLoss(weight)(sides(real_logits, real, REAL), sides(own_logits, own, OWN))
    assert value.shape == ()
    assert 0 < np.mean(rates) < 1  # else the accuracy would not be tested
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_a_network_that_is_never_right_adds_no_cross_entropy() -> None:
    (real_logits, real), (own_logits, own) = drawn(REAL, "real"), drawn(OWN, "synthetic")
    wrong = -100 * torch.eye(3, dtype=torch.float64)[REAL] + real_logits
    values = [ClassRegularizedLoss(w)(sides(wrong, real, REAL), sides(own_logits, own, OWN)) for w in (0.0, 5.0)]
    assert values[0] == values[1]


def test_a_class_without_synthetic_images_adds_nothing() -> None:
    (real_logits, real), (own_logits, own) = drawn(REAL, "real"), drawn(OWN, "synthetic")
    some = OWN != 2
    full, part = (
        ClassRegularizedLoss()(sides(real_logits, real, REAL), sides(own_logits[rows], own[rows], OWN[rows]))
        for rows in (slice(None), some)
    )
    gap = real[REAL == 2].mean(0) - own[OWN == 2].mean(0)
    entropy = torch.nn.functional.cross_entropy(own_logits[~some], OWN[~some])
    hits = (real_logits.argmax(1) == REAL).double()
    rate = torch.stack([hits[c == REAL].mean() for c in range(3)]).mean()
    torch.testing.assert_close(full - part, gap.square().sum() + 0.5 * 100 * rate * entropy)


def test_features_without_predictions_are_refused() -> None:
    sums = class_sums(torch.ones(1, 2), torch.tensor([0]), 1)
    with pytest.raises(ValueError, match="classified_features"):
        ClassRegularizedLoss()([sums], [sums])
