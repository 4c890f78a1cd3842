"""NCFM against complex arithmetic, eq. 6 and 7 of https://arxiv.org/abs/2502.20653, and two identities."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import CharacteristicFunctionLoss, ClassRegularizedLoss
from monai_distill.losses.class_sums import ClassSums, class_sums
from monai_distill.losses.ncfm_loss import characteristic_discrepancy, waves
from monai_distill.runtime.randomness import seeded_generator

REAL, OWN = torch.tensor([0] * 5 + [1] * 3), torch.tensor([1, 0, 0, 1])
FREQUENCIES = torch.randn(7, 4, generator=seeded_generator(0, "frequencies"), dtype=torch.float64)


def drawn(labels: torch.Tensor, name: str) -> torch.Tensor:
    return torch.randn(len(labels), 4, generator=seeded_generator(0, name), dtype=torch.float64)


def kinds(vectors: torch.Tensor, labels: torch.Tensor) -> list[ClassSums]:
    logits = vectors[:, :2]
    hits = torch.nn.functional.one_hot(logits.argmax(1), 2).to(logits)
    return [class_sums(kind, labels, 2) for kind in (waves(vectors, FREQUENCIES), logits.log_softmax(1), hits)]


def by_complex_numbers(real: np.ndarray, own: np.ndarray, alpha: float) -> np.ndarray:
    """Equation 7 with moduli and arguments, per frequency."""
    r, s = (np.exp(1j * vectors @ FREQUENCIES.numpy().T).mean(axis=0) for vectors in (real, own))
    amplitudes = (np.abs(r) - np.abs(s)) ** 2
    phases = 2 * np.abs(r) * np.abs(s) * (1 - np.cos(np.angle(r) - np.angle(s)))
    return alpha * amplitudes + (1 - alpha) * phases


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.8, 1.0])
def test_loss_equals_the_complex_formula(alpha: float) -> None:
    real, own = drawn(REAL, "real"), drawn(OWN, "synthetic")
    expected = sum(
        np.sqrt(by_complex_numbers(real[c == REAL].numpy(), own[c == OWN].numpy(), alpha)).mean() for c in (0, 1)
    )
    value = CharacteristicFunctionLoss(alpha)(kinds(real, REAL), kinds(own, OWN))
    assert value.shape == ()
    assert float(value) == pytest.approx(float(expected), rel=1e-5)


def test_half_of_each_is_half_of_the_squared_distance() -> None:
    functions = [
        waves(drawn(labels, name), FREQUENCIES).mean(0) for labels, name in ((REAL, "real"), (OWN, "synthetic"))
    ]
    a, b = ((f[:7] + 1j * f[7:]).numpy() for f in functions)
    value = characteristic_discrepancy(*functions, alpha=0.5)
    np.testing.assert_allclose(value, 0.5 * np.abs(a - b) ** 2, atol=1e-7)


def test_normal_frequencies_give_the_biased_kernel_discrepancy() -> None:
    """E_t |R(t) - S(t)|^2 for t ~ N(0, I / sigma^2) is the squared biased MMD of a Gaussian kernel of width sigma."""
    real, own, sigma = drawn(REAL, "real"), drawn(OWN, "synthetic"), 1.5
    frequencies = torch.randn(40_000, 4, generator=seeded_generator(0, "many"), dtype=torch.float64) / sigma
    sides = [waves(vectors, frequencies).mean(0) for vectors in (real, own)]
    estimate = 2 * float(characteristic_discrepancy(*sides, alpha=0.5).mean())

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return float(torch.exp(-torch.cdist(x, y).square() / (2 * sigma**2)).mean())

    assert estimate == pytest.approx(kernel(real, real) + kernel(own, own) - 2 * kernel(real, own), rel=0.03)


def test_the_gradient_is_finite_where_both_sides_agree_and_where_a_function_is_zero() -> None:
    own = drawn(OWN, "synthetic").requires_grad_()
    loss = CharacteristicFunctionLoss()(kinds(own.detach(), OWN), kinds(own, OWN))
    (gradient,) = torch.autograd.grad(loss, own)
    assert bool(torch.isfinite(gradient).all())
    zero = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (at_zero,) = torch.autograd.grad(characteristic_discrepancy(torch.ones(2).double(), zero, 0.5).sum(), zero)
    assert bool(torch.isfinite(at_zero).all())


def test_the_cross_entropy_is_idm_s() -> None:
    real, own = kinds(drawn(REAL, "real"), REAL), kinds(drawn(OWN, "synthetic"), OWN)
    added = CharacteristicFunctionLoss(class_weight=0.5)(real, own) - CharacteristicFunctionLoss()(real, own)
    torch.testing.assert_close(added, ClassRegularizedLoss(0.5)(real, own) - ClassRegularizedLoss(0.0)(real, own))


def test_a_class_without_synthetic_images_adds_nothing() -> None:
    real, own = drawn(REAL, "real"), drawn(OWN, "synthetic")
    part = CharacteristicFunctionLoss()(kinds(real, REAL), kinds(own[OWN == 0], OWN[OWN == 0]))
    expected = np.sqrt(by_complex_numbers(real[REAL == 0].numpy(), own[OWN == 0].numpy(), 0.8)).mean()
    assert float(part) == pytest.approx(float(expected), rel=1e-5)


def test_features_without_predictions_are_refused() -> None:
    sums = class_sums(torch.ones(1, 2), torch.tensor([0]), 1)
    with pytest.raises(ValueError, match="wave_features"):
        CharacteristicFunctionLoss()([sums], [sums])
