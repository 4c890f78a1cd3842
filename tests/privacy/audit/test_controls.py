"""Controls are real images, as many of every class, as networks see them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_distill.data import SyntheticDataset
from monai_distill.privacy.audit.candidates import real_release
from monai_distill.transforms import Standardize
from tests.privacy.audit.conftest import CLASSES, random_bank


def test_a_control_holds_real_images_of_the_same_classes_through_the_same_preprocessing() -> None:
    bank = random_bank(30, 0)
    like = SyntheticDataset(
        torch.zeros(4, 1, 8, 8), torch.tensor([0, 0, 2, 1]), CLASSES, preprocessing=Standardize([0.4], [0.2])
    )
    control = real_release(like, bank, torch.Generator().manual_seed(0))
    assert control.labels.tolist() == [0, 0, 1, 2]
    rows = (control.pixels()[:, None] - bank.images[None]).abs().flatten(2).amax(dim=2).min(dim=1)
    assert float(rows.values.max()) < 1e-6
    assert torch.equal(bank.labels[rows.indices], control.labels)
    assert len(set(rows.indices.tolist())) == 4


def test_a_class_without_images_takes_any() -> None:
    bank = random_bank(30, 0)
    only = bank.subset(bank.indices[1])
    like = SyntheticDataset(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), CLASSES)
    assert real_release(like, only, torch.Generator()).labels.tolist() == [0, 1]
