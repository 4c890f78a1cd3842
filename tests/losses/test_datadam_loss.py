"""DataDAM: attention maps and their distance, against loops written from eq. 2 to 4 of the paper."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import AttentionMatchingLoss
from monai_distill.losses.class_sums import class_sums
from monai_distill.losses.datadam_loss import attention_map
from monai_distill.runtime.randomness import seeded_generator


def _reference_map(features: np.ndarray, power: float) -> np.ndarray:
    """The vectorized map of every image, of length 1 (DataDAM, https://arxiv.org/abs/2310.00093, section 3.2)."""
    rows = []
    for image in features:
        flat = np.zeros(image[0].size)
        for channel in image:
            flat += np.abs(channel).ravel() ** power
        rows.append(flat / np.sqrt((flat**2).sum()))
    return np.stack(rows)


@pytest.mark.parametrize("power", [1, 2, 4])
@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (2, 3, 3, 4, 2)])
def test_a_map_is_the_normalized_sum_of_powers_over_channels(power: float, shape: tuple[int, ...]) -> None:
    features = torch.randn(shape, generator=seeded_generator(0, "features"), dtype=torch.float64)
    found = attention_map(features, power)
    np.testing.assert_allclose(found.numpy(), _reference_map(features.numpy(), power), rtol=1e-12)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(shape[0], dtype=torch.float64))


def test_a_dead_layer_gives_zeros_and_a_finite_gradient() -> None:
    features = torch.zeros(2, 3, 4, 4, requires_grad=True)
    found = attention_map(features, 1)
    (gradient,) = torch.autograd.grad(found.sum(), features)
    assert found.abs().max() == 0
    assert torch.isfinite(gradient).all()


def test_a_power_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        attention_map(torch.zeros(1, 1, 2, 2), 0.5)


@pytest.mark.parametrize("weight", [0.01, 0.02])
def test_loss_weighs_layers_by_100_and_the_embedding_by_100_lambda(weight: float) -> None:
    labels, own_labels = torch.tensor([0, 1, 1]), torch.tensor([1, 0])
    generator = seeded_generator(1, "vectors")
    sizes = (16, 4, 7)
    real = [torch.randn(3, size, generator=generator, dtype=torch.float64) for size in sizes]
    own = [torch.randn(2, size, generator=generator, dtype=torch.float64) for size in sizes]
    distances = []
    for r, o in zip(real, own, strict=True):
        gaps = [r[labels == c].numpy().mean(0) - o[own_labels == c].numpy().mean(0) for c in (0, 1)]
        distances.append(sum(float((gap**2).sum()) for gap in gaps))
    value = AttentionMatchingLoss(weight)(
        [class_sums(r, labels, 2) for r in real], [class_sums(o, own_labels, 2) for o in own]
    )
    expected = 100 * distances[0] + 100 * distances[1] + 100 * weight * distances[2]
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_a_missing_map_and_a_negative_weight_are_refused() -> None:
    sums = class_sums(torch.ones(1, 2), torch.tensor([0]), 1)
    with pytest.raises(ValueError, match="at least one attention map"):
        AttentionMatchingLoss()([sums], [sums])
    with pytest.raises(ValueError, match="embedding_weight of at least 0"):
        AttentionMatchingLoss(-0.1)
    with pytest.raises(ValueError, match="Expected weight of at least 0"):
        AttentionMatchingLoss(weight=-0.1)


def test_the_default_weights_are_100_and_one_hundredth_of_it_for_the_embedding() -> None:
    labels = torch.tensor([0])
    real = [class_sums(torch.full((1, 1), value), labels, 1) for value in (1.0, 2.0, 3.0)]
    synthetic = [class_sums(torch.zeros(1, 1), labels, 1)] * 3
    assert float(AttentionMatchingLoss()(real, synthetic)) == pytest.approx(100 * (1 + 4 + 0.01 * 9))


def test_one_map_and_the_embedding_are_enough() -> None:
    real, zero = (class_sums(torch.full((1, 1), value), torch.tensor([0]), 1) for value in (2.0, 0.0))
    assert float(AttentionMatchingLoss(0.5, 1.0)([real, real], [zero, zero])) == 4.0 + 0.5 * 4.0


def test_sides_with_another_number_of_layers_are_refused() -> None:
    sums = class_sums(torch.ones(1, 2), torch.tensor([0]), 1)
    with pytest.raises(ValueError, match="shorter"):
        AttentionMatchingLoss()([sums, sums, sums], [sums, sums])
