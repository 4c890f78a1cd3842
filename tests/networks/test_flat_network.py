# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import VGG11, AlexNet, ConvNet, ResNet18, SmallViT
from monai_distill.runtime.randomness import seeded_generator, temporary_global_seed

FACTORIES: dict[str, Callable[[], nn.Module]] = {
    "convnet": functools.partial(ConvNet, 2, 1, 3, 17, width=4, depth=2),
    "convnet max": functools.partial(ConvNet, 2, 1, 3, 17, width=4, depth=2, pooling="max"),
    "alexnet": functools.partial(AlexNet, 2, 1, 3, 17, width=2),
    "vgg11": functools.partial(VGG11, 2, 1, 3, 17, width=2),
    "resnet18": functools.partial(ResNet18, 2, 1, 3, 17, width=2),
    "vit": functools.partial(SmallViT, 2, 1, 3, 17, width=8, depth=2),
    "convnet 3d": functools.partial(ConvNet, 3, 1, 3, 8, width=4, depth=2),
    "alexnet 3d": functools.partial(AlexNet, 3, 1, 3, 8, width=2),
    "vgg11 3d": functools.partial(VGG11, 3, 1, 3, 8, width=2),
    "vit 3d": functools.partial(SmallViT, 3, 1, 3, 9, width=8, depth=2),
}
SMALL = FACTORIES["convnet"]


@pytest.mark.parametrize("name", FACTORIES)
def test_flat_network_equals_the_module_and_stacked_equals_a_loop(name: str) -> None:
    factory = FACTORIES[name]
    flat = FlatNetwork(factory)
    parameters = torch.stack([flat.initial(seed) for seed in (1, 2)]).double().requires_grad_()
    shape = flat.module.image_size
    images = torch.rand(2, 3, 1, *shape, generator=seeded_generator(0)).double().requires_grad_()
    module = flat.load_into(factory(), parameters[0]).double()
    torch.testing.assert_close(flat(parameters[0], images[0]), module(images[0]), atol=1e-5, rtol=1e-5)
    looped = torch.stack([flat(vector, batch) for vector, batch in zip(parameters, images, strict=True)])
    stacked = flat.stacked(parameters, images)
    torch.testing.assert_close(stacked, looped)
    for first, second in zip(
        torch.autograd.grad(stacked.square().sum(), [parameters, images]),
        torch.autograd.grad(looped.square().sum(), [parameters, images]),
        strict=True,
    ):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("name", FACTORIES)
def test_double_backward_through_stacked_equals_a_loop(name: str) -> None:
    flat = FlatNetwork(FACTORIES[name])
    parameters = torch.stack([flat.initial(seed) for seed in (1, 2)]).double().requires_grad_()
    images = torch.rand(2, 3, 1, *flat.module.image_size, generator=seeded_generator(0)).double().requires_grad_()

    def second(logits: torch.Tensor) -> torch.Tensor:
        (gradient,) = torch.autograd.grad(logits.square().sum(), parameters, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), images)[0]

    looped = torch.stack([flat(vector, batch) for vector, batch in zip(parameters, images, strict=True)])
    expected = second(looped)
    assert torch.isfinite(expected).all()
    assert expected.abs().max() > 0
    torch.testing.assert_close(second(flat.stacked(parameters, images)), expected)


def test_initial_is_repeatable_fresh_and_leaves_the_global_state() -> None:
    flat = FlatNetwork(SMALL)
    before = torch.random.get_rng_state()
    first, again, other = flat.initial(5), flat.initial(5), flat.initial(6)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    first.zero_()
    assert torch.equal(again, flat.initial(5))
    assert first.dtype == torch.float32
    assert first.shape == (flat.size,)
    assert not first.requires_grad
    with temporary_global_seed(5):
        module = SMALL()
    assert torch.equal(again, nn.utils.parameters_to_vector(module.parameters()).detach())


def test_loaded_values_do_not_alias_the_vector() -> None:
    flat = FlatNetwork(SMALL)
    vector = flat.initial(1)
    module = flat.load_into(SMALL(), vector)
    before = nn.utils.parameters_to_vector(module.parameters()).detach().clone()
    vector.zero_()
    assert torch.equal(before, nn.utils.parameters_to_vector(module.parameters()).detach())
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_layout() -> None:
    flat = FlatNetwork(SMALL).to("cpu")
    assert flat.names[0] == "features.conv0.weight"
    assert flat.names[-1] == "classifier.bias"
    assert flat.shapes[0] == (4, 1, 3, 3)
    assert flat.size == sum(shape.numel() for shape in flat.shapes)
    assert flat.module.training


def test_running_statistics_are_replaced_by_those_of_the_batch() -> None:
    network = FlatNetwork(functools.partial(ConvNet, 2, 1, 3, 8, width=4, depth=2, norm="batch"))
    assert network.replaces_statistics
    assert network.mixes_images
    images = torch.rand(4, 1, 8, 8)
    vector = network.initial(0)
    module = ConvNet(2, 1, 3, 8, width=4, depth=2, norm="batch")
    with torch.no_grad():
        for (_, parameter), (_, value) in zip(
            module.named_parameters(), network.load_into(network.factory(), vector).named_parameters(), strict=True
        ):
            parameter.copy_(value)
        torch.testing.assert_close(network(vector, images), module.train()(images))


def test_other_buffers_and_empty_networks_are_refused() -> None:
    class Shifted(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.register_buffer("shift", torch.zeros(2))

    with pytest.raises(ValueError, match="shift"):
        FlatNetwork(Shifted)
    with pytest.raises(ValueError, match="Expected a network with parameters"):
        FlatNetwork(nn.Flatten)


def test_wrong_vectors_are_refused() -> None:
    flat = FlatNetwork(SMALL)
    vector, images = flat.initial(0), torch.zeros(2, 1, 17, 17)
    with pytest.raises(
        ValueError, match=rf"Expected a parameter vector of shape \[{flat.size}\], got \[{flat.size - 1}"
    ):
        flat(vector[1:], images)
    with pytest.raises(ValueError, match="one S"):
        flat.stacked(vector[None], torch.zeros(2, 2, 1, 17, 17))
    with pytest.raises(ValueError, match="differences in"):
        flat.load_into(nn.Linear(2, 2), vector)


def test_a_factory_that_changes_its_mind_is_refused() -> None:
    sizes = iter((2, 3))
    flat = FlatNetwork(lambda: nn.Linear(2, next(sizes)))
    with pytest.raises(RuntimeError, match="Expected the factory to repeat"):
        flat.initial(0)


def test_a_layer_that_stands_in_two_places_is_one_in_the_vector_and_used_in_both() -> None:
    def network() -> nn.Module:
        shared = nn.Linear(4, 4)
        return nn.Sequential(nn.Flatten(), shared, nn.ReLU(), shared)

    flat, images = FlatNetwork(network), torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert flat.names == ("1.weight", "1.bias")
    vector = flat.initial(5)
    expected = flat.load_into(network(), vector)(images)
    torch.testing.assert_close(flat(vector, images), expected)
