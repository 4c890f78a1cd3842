"""Forecasts for a card that is not here follow from operations and calls."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_distill.configuration.plan.counting import Unit, counted
from monai_distill.configuration.plan.other_machine import CARDS, EFFICIENCY, LAUNCH, rates_on
from monai_distill.configuration.plan.timing import Rates


def _rates(unit: Unit) -> Rates:
    return Rates(unit, unit, unit, unit, unit, parameters=1)


def test_operations_of_a_convolution_are_those_of_its_definition() -> None:
    convolution = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    images = torch.ones(2, 3, 10, 10)
    unit = counted(lambda: convolution(images), 2)
    assert unit.flops == 2 * 8 * 3 * 9 * 100
    assert unit.calls == pytest.approx(0.5)


def test_a_small_step_waits_for_its_calls_and_a_large_one_for_its_operations() -> None:
    card = CARDS["gpu24"]
    small, large = (rates_on(card, _rates(unit)).iteration for unit in (Unit(1, 1, 1.0, 50), Unit(1, 1, 1e15, 50)))
    assert small.wall == pytest.approx(50 * LAUNCH)
    assert large.wall == pytest.approx(1e15 / (EFFICIENCY * card.peak))
    assert rates_on(CARDS["gpu80"], _rates(Unit(1, 1, 1e15, 50))).iteration.wall < large.wall
