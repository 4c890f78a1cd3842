"""The students' loss against the definition of cross-entropy."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_distill.losses.soft_cross_entropy import classification_loss
from monai_distill.runtime.randomness import seeded_generator


def _reference_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-sum_k q_k log p_k, averaged over the batch; q is the softmax of target logits."""
    weights = targets.exp() / targets.exp().sum(dim=1, keepdim=True)
    return -(weights * (logits - logits.logsumexp(dim=1, keepdim=True))).sum() / len(logits)


@pytest.mark.parametrize("soft", [False, True])
def test_the_loss_is_cross_entropy_to_the_class_or_to_the_softmax_of_logits(soft: bool) -> None:
    logits, other = torch.randn(2, 6, 4, generator=seeded_generator(0), dtype=torch.float64)
    targets = 3 * other if soft else torch.tensor([0, 3, 1, 1, 2, 0])
    expected = (
        _reference_cross_entropy(logits, targets)
        if soft
        else -torch.stack([logits.log_softmax(1)[i, t] for i, t in enumerate(targets)]).mean()
    )
    torch.testing.assert_close(classification_loss(logits, targets), expected)


@pytest.mark.parametrize("soft", [False, True])
def test_the_temperature_divides_the_logits_on_both_sides(soft: bool) -> None:
    logits, other = torch.randn(2, 6, 4, generator=seeded_generator(0), dtype=torch.float64)
    targets = 3 * other if soft else torch.tensor([0, 3, 1, 1, 2, 0])
    expected = classification_loss(logits / 5, targets / 5 if soft else targets)
    torch.testing.assert_close(classification_loss(logits, targets, 5.0), expected)


def test_adding_a_constant_to_target_logits_changes_nothing() -> None:
    logits, targets = torch.randn(2, 6, 4, generator=seeded_generator(0), dtype=torch.float64)
    torch.testing.assert_close(classification_loss(logits, targets + 5), classification_loss(logits, targets))
