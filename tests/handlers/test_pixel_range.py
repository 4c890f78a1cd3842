"""Pixels stay in their range and those inside are not touched."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine

from monai_distill.data import SyntheticDataset
from monai_distill.handlers import PixelRange


def test_only_pixels_outside_are_moved() -> None:
    data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"])
    values = torch.tensor([[[[-3.0, -0.25], [0.5, 1.5]]]])
    engine = Engine(lambda engine, batch: data.images.data.copy_(values))
    PixelRange(data, -1.0, 1.0).attach(engine)
    engine.run([0])
    assert data.images.detach().flatten().tolist() == [-1.0, -0.25, 0.5, 1.0]


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="low below high"):
        PixelRange(SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"]), 1.0, 1.0)
