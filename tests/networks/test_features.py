"""Outputs of named layers, and networks that lack a requested layer."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from monai_distill.networks.factories import with_norm
from monai_distill.networks.features import activations, embedding
from monai_distill.networks.nets import VGG11, ConvNet, ResNet18


@pytest.mark.parametrize("dims", [2, 3])
def test_outputs_are_those_of_the_network_up_to_each_layer(dims: int) -> None:
    network = ConvNet(dims, 2, 3, 8, width=4, depth=2).double()
    images = torch.randn(3, 2, *(8,) * dims, dtype=torch.float64)
    layers, last = activations(network, images)
    assert torch.equal(layers[0], network.features[:3](images))
    assert torch.equal(layers[1], network.features[:7](images))
    assert torch.equal(last, network.embed(images))
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("kind", [VGG11, ResNet18])
def test_every_network_of_the_package_names_its_layers(kind: type[VGG11 | ResNet18]) -> None:
    network = kind(2, 1, 3, 16, width=2)
    layers, _ = activations(network, torch.randn(2, 1, 16, 16))
    assert len(layers) == len(network.feature_layers)


def test_networks_without_layers_or_embedding_are_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="names its feature_layers, got Sequential"):
        activations(network, torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"embed\(images\), got Sequential"):
        embedding(network, torch.zeros(1, 1, 2, 2))


def test_a_layer_that_runs_twice_is_refused_and_the_hooks_are_gone() -> None:
    class Twice(nn.Module):
        feature_layers = ("act",)

        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def embed(self, images: torch.Tensor) -> torch.Tensor:
            return self.act(self.act(images)).flatten(1)  # type: ignore[no-any-return]

    network = Twice()
    with pytest.raises(ValueError, match="'act': 2"):
        activations(network, torch.zeros(1, 1, 2, 2))
    assert not network.act._forward_hooks


def test_another_norm_is_set_and_a_network_without_one_refused() -> None:
    factory = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=2, image_size=8, depth=1)
    assert isinstance(with_norm(factory, "batch")().features.norm0, nn.BatchNorm2d)
    assert with_norm(factory, None) is factory
    with pytest.raises(ValueError, match="'batch', got VGG11"):
        with_norm(functools.partial(VGG11, spatial_dims=2), "batch")
