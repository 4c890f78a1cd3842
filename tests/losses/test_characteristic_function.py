"""The distance of characteristic functions, against complex arithmetic written from the formula."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cmath
import math

import pytest
import torch

from monai_distill.losses import CharacteristicFunctionLoss, class_sums, waves
from monai_distill.randomness import seeded_generator

LABELS, OWN = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([1, 0, 1])


def vectors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = seeded_generator(0, "vectors")
    return tuple(torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (5, 3, 6))  # type: ignore[return-value]


def characteristic(rows: list[list[float]], frequency: list[float]) -> complex:
    waves_ = [cmath.exp(1j * sum(a * b for a, b in zip(row, frequency, strict=True))) for row in rows]
    return sum(waves_) / len(waves_)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_it_is_the_published_formula_summed_over_classes(weight: float) -> None:
    real, own, frequencies = vectors()
    expected = 0.0
    for label in (0, 1):
        for frequency in frequencies.tolist():
            r = characteristic(real[label == LABELS].tolist(), frequency)
            s = characteristic(own[label == OWN].tolist(), frequency)
            amplitude = (abs(r) - abs(s)) ** 2
            phase = 2 * abs(r) * abs(s) * (1 - math.cos(cmath.phase(r) - cmath.phase(s)))
            expected += math.sqrt(weight * amplitude + (1 - weight) * phase) / len(frequencies)
    sums = [class_sums(waves(x, frequencies), y, 2) for x, y in ((real, LABELS), (own, OWN))]
    found = CharacteristicFunctionLoss(weight)(sums[:1], sums[1:])
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_equal_distributions_are_at_distance_zero_with_a_finite_gradient() -> None:
    real, _, frequencies = vectors()
    own = real.flip(0).clone().requires_grad_()
    sums = [class_sums(waves(x, frequencies), y, 2) for x, y in ((real, LABELS), (own, LABELS.flip(0)))]
    value = CharacteristicFunctionLoss()(sums[:1], sums[1:])
    assert float(value) == pytest.approx(0, abs=1e-3)
    assert bool(torch.isfinite(torch.autograd.grad(value, own)[0]).all())


def test_sums_of_shards_add_up_and_an_absent_class_adds_nothing() -> None:
    real, own, frequencies = vectors()
    parts = [class_sums(waves(real[rows], frequencies), LABELS[rows], 3) for rows in ([0, 1], [2, 3, 4])]
    mine = class_sums(waves(own, frequencies), OWN, 3)
    whole = class_sums(waves(real, frequencies), LABELS, 3)
    loss = CharacteristicFunctionLoss()
    torch.testing.assert_close(loss([parts[0].plus(parts[1])], [mine]), loss([whole], [mine]))


def test_another_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1, got 1\.5"):
        CharacteristicFunctionLoss(1.5)
