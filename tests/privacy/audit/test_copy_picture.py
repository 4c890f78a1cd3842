"""The picture of the most similar pairs, of any kind of image."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_distill.privacy.audit.copy_check import save_copy_pairs

pytestmark = pytest.mark.draws

PAIRS = [{"synthetic": 0, "training": 1, "likeness": 0.9}, {"synthetic": 1, "training": 0, "likeness": 0.8}]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 6), (1, 4, 5, 6)])
def test_draws_grey_colour_and_volumes(shape: tuple[int, ...], tmp_path: Path) -> None:
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with Image.open(save_copy_pairs(PAIRS, images, images, tmp_path / "copies.png")) as picture:
        assert picture.width > picture.height
        assert len(set(np.asarray(picture.convert("L")).ravel())) > 20
