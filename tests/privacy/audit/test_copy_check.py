"""Copies are found under flips, turns, another contrast and inversion, in two and three dimensions."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_distill.privacy.audit.copy_check import copy_likeness
from tests.privacy.audit.conftest import random_bank

TURNS: list[Callable[[Tensor], Tensor]] = [
    lambda x: x,
    lambda x: x.flip(2),
    lambda x: torch.rot90(x, 1, (2, 3)),
    lambda x: torch.rot90(x, 3, (2, 3)),
    lambda x: 0.2 * x + 5,
    lambda x: 1 - x.flip(3),
]


@pytest.mark.parametrize("turn", TURNS)
def test_finds_the_copy(turn: Callable[[Tensor], Tensor]) -> None:
    images = random_bank(30, 0).images
    values, places = copy_likeness(turn(images[[4, 9]]), images, batch_size=7)
    assert places.tolist() == [4, 9]
    assert values.tolist() == pytest.approx([1, 1], abs=1e-5)


def test_similarity_is_the_largest_absolute_correlation() -> None:
    images = random_bank(2, 3).images
    oracle = max(
        abs(np.corrcoef(np.rot90(flipped, k).ravel(), images[1, 0].numpy().ravel())[0, 1])
        for flipped in (images[0, 0].numpy(), images[0, 0].numpy()[::-1])
        for k in range(4)
    )
    assert float(copy_likeness(images[:1], images[1:])[0]) == pytest.approx(oracle, abs=1e-5)


def test_volumes_and_sides_that_differ() -> None:
    volumes = torch.rand(5, 1, 4, 4, 3, generator=torch.Generator().manual_seed(0))
    values, places = copy_likeness(volumes[2:3].flip((2, 4)), volumes)
    assert (int(places), round(float(values), 4)) == (2, 1.0)


def test_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="Expected images of the released shape"):
        copy_likeness(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 5, 5))
