"""The nearest-neighbour attack finds released members, and nothing in strangers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from monai_distill.data import SyntheticDataset
from monai_distill.networks.nets import ConvNet
from monai_distill.privacy.audit.attacks import NearestNeighbor
from monai_distill.privacy.audit.attacks.features import network_features, pixel_features, random_networks
from monai_distill.privacy.audit.candidates import Candidates
from tests.privacy.audit.conftest import copies_of, unrelated_to


@pytest.mark.parametrize("space", ["pixels", "random networks"])
def test_finds_copies_and_no_strangers(candidates: Candidates, attacked: Callable[..., Any], space: str) -> None:
    networks = random_networks(lambda: ConvNet(2, 1, 3, 8, width=4, depth=1), 2, seed=0)
    features = pixel_features if space == "pixels" else network_features(networks, lambda images: images)
    attack = NearestNeighbor(candidates.images, candidates.labels, features)
    found = attacked(attack, copies_of, one_sided=True)
    # 9 of some 75 members are copied, and named without any doubt
    assert found["seen"]
    assert found["tpr_at_fpr"]["0.01"]["value"] > 0.1
    missed = attacked(attack, unrelated_to, one_sided=True)
    assert not missed["seen"]
    assert abs(missed["auc"] - 0.5) < 0.03


def test_only_images_of_the_own_class_count_and_a_copy_is_at_nought() -> None:
    images = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2), torch.full((1, 2, 2), 3.0)])
    attack = NearestNeighbor(images, torch.tensor([0, 1, 2]), pixel_features)
    release = SyntheticDataset(
        images[1:2].repeat(2, 1, 1, 1) * torch.tensor([0.1, 1]).view(2, 1, 1, 1), torch.tensor([0, 1]), ["a", "b", "c"]
    )
    # class 2 has no released image: the nearest of all counts
    assert attack(release).tolist() == pytest.approx([-0.2, 0.0, -4.0])
