"""The spaces in which an attacker compares."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.privacy.audit.attacks.features import network_features, random_networks, trained_network
from monai_distill.transforms import Standardize
from tests.privacy.audit.conftest import random_bank


def factory() -> ConvNet:
    return ConvNet(2, 1, 3, 8, width=4, depth=1)


def test_random_networks_differ_repeat_and_leave_the_global_state_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = random_networks(factory, 2, seed=0)
    (again,) = random_networks(factory, 1, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.classifier.weight, again.classifier.weight)  # type: ignore[union-attr, arg-type]
    assert not torch.equal(first.classifier.weight, second.classifier.weight)  # type: ignore[union-attr, arg-type]


def test_features_are_embeddings_of_preprocessed_pixels() -> None:
    networks, images = random_networks(factory, 1, seed=0), random_bank(600, 0).images
    standardize = Standardize([0.4], [0.2])
    features = network_features(networks, standardize)(images)
    torch.testing.assert_close(features, networks[0].embed(standardize(images)))  # type: ignore[operator]


def test_the_public_network_carries_the_trained_parameters() -> None:
    network, bank = FlatNetwork(factory), random_bank(9, 0)
    requested = {}

    def train(
        flat: FlatNetwork, images: torch.Tensor, labels: torch.Tensor, rate: float, seeds: list[int]
    ) -> torch.Tensor:
        requested.update(images=images, labels=labels, rate=rate)
        return torch.arange(flat.size, dtype=torch.float32)[None]

    (trained,) = trained_network(factory, network, train, bank, 0.1, seed=0)
    assert torch.equal(torch.cat([p.reshape(-1) for p in trained.parameters()]), torch.arange(network.size).float())
    assert requested["rate"] == 0.1
    assert torch.equal(requested["images"], bank.images)  # type: ignore[arg-type]
