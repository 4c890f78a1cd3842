"""The networks: shapes, gradients, refusals and reproducible initialization."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import VGG11, AlexNet, ConvNet, ImageClassifier, ResNet18, SmallViT
from monai_distill.runtime.randomness import seeded_generator, temporary_global_seed

SMALL: dict[str, Callable[..., ImageClassifier]] = {
    "convnet": lambda *args: ConvNet(*args, width=4),
    "alexnet": lambda *args: AlexNet(*args, width=4),
    "vgg11": lambda *args: VGG11(*args, width=2),
    "resnet18": lambda *args: ResNet18(*args, width=2),
    "vit": lambda *args: SmallViT(*args, width=8),
}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("depth", "expected"), [(1, 331530), (2, 233610), (3, 320010), (4, 452490), (5, 596490)])
def test_convnet_has_the_published_parameter_count(depth: int, expected: int) -> None:
    assert count(ConvNet(2, 3, 10, 32, depth=depth)) == expected


def test_other_published_parameter_counts() -> None:
    assert count(ConvNet(2, 3, 9, 28)) == 309897
    with torch.device("meta"):
        assert count(AlexNet(2, 3, 10, 32)) == 1872202
        assert count(VGG11(2, 3, 10, 32)) == 9231114
        assert count(ResNet18(2, 3, 10, 32)) == 11173962


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 64, 65, (32, 28)])
def test_every_network_learns_from_the_image(name: str, channels: int, size: int | tuple[int, int]) -> None:
    with temporary_global_seed(1):
        network = SMALL[name](2, channels, 5, size)
    images = torch.rand(2, channels, *network.image_size, generator=seeded_generator(0), requires_grad=True)
    logits = network(images)
    assert logits.shape == (2, 5)
    assert network.embed(images).shape == (2, network.num_features)
    # a network whose last normalization sees one pixel gives the same logits for every image
    assert (logits[0] - logits[1]).abs().max() > 1e-4
    gradients = torch.autograd.grad(logits.square().sum(), [images, *network.parameters()])
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert gradients[0].abs().max() > 0


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [16, 28])
def test_every_network_works_in_3d(name: str, size: int) -> None:
    with temporary_global_seed(1):
        network = SMALL[name](3, 1, 3, size)
    logits = network(torch.rand(2, 1, size, size, size, generator=seeded_generator(0)))
    assert logits.shape == (2, 3)
    assert (logits[0] - logits[1]).abs().max() > 1e-4


@pytest.mark.parametrize("name", [name for name in SMALL if name != "vit"])  # its activations are no feature maps
def test_feature_layers_are_the_activations_in_forward_order(name: str) -> None:
    network = SMALL[name](2, 1, 3, 28)
    seen: list[str] = []
    for layer in network.feature_layers:
        network.get_submodule(layer).register_forward_hook(lambda *_, layer=layer: seen.append(layer))
    network(torch.zeros(2, 1, 28, 28))
    assert tuple(seen) == network.feature_layers
    assert len(seen) == {"convnet": 3, "alexnet": 5, "vgg11": 8, "resnet18": 17}[name]
    assert not any(getattr(module, "inplace", False) for module in network.modules())


@pytest.mark.parametrize("norm", ["batch", "group", "instance", "layer", "none"])
@pytest.mark.parametrize("pooling", ["avg", "max", "none"])
@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "sigmoid", "silu"])
def test_convnet_variants_run(norm: str, pooling: str, activation: str) -> None:
    network = ConvNet(2, 1, 2, (9, 12), width=4, depth=2, norm=norm, pooling=pooling, activation=activation)
    assert torch.isfinite(network(torch.rand(3, 1, 9, 12, generator=seeded_generator(0)))).all()


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_convnet_is_differentiable_twice(pooling: str) -> None:
    network = ConvNet(2, 1, 2, 8, width=4, depth=2, pooling=pooling)
    images = torch.rand(3, 1, 8, 8, generator=seeded_generator(0), requires_grad=True)
    loss = nn.functional.cross_entropy(network(images), torch.tensor([0, 1, 0]))
    gradients = torch.autograd.grad(loss, list(network.parameters()), create_graph=True)
    (second,) = torch.autograd.grad(sum(gradient.square().sum() for gradient in gradients), images)
    assert torch.isfinite(second).all()
    assert second.abs().max() > 0


@pytest.mark.parametrize(
    ("dims", "size", "patch", "patches"),
    [(2, 8, (2, 2), 16), (2, 28, (4, 4), 49), (2, (64, 17), (8, 3), 48), (3, 28, (7, 7, 7), 64), (3, 9, (3, 3, 3), 27)],
)
def test_the_transformer_sees_every_pixel_in_patches_that_fit(
    dims: int, size: int | tuple[int, int], patch: tuple[int, ...], patches: int
) -> None:
    with temporary_global_seed(0):
        network = SmallViT(dims, 1, 2, size, width=8, depth=1)
    images = torch.rand(1, 1, *network.image_size, generator=seeded_generator(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(network(images).square().sum(), images)
    assert network.patch == patch
    assert network.features.patch_embedding.position_embeddings.shape[1] == patches
    assert (gradient != 0).all()


def test_every_parameter_of_the_transformer_is_used_and_nothing_draws() -> None:
    with temporary_global_seed(0):
        network = SmallViT(2, 1, 2, 8, width=8, depth=2)
    logits = network(torch.rand(2, 1, 8, 8, generator=seeded_generator(0)))
    gradients = torch.autograd.grad(logits.square().sum(), list(network.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    assert not FlatNetwork(lambda: SmallViT(2, 1, 2, 8, width=8, depth=2)).has_random_layers


def test_convnet_refuses_a_depth_that_leaves_one_pixel() -> None:
    assert ConvNet(2, 1, 2, 28, width=4, depth=4)
    with pytest.raises(ValueError, match="use depth 4 or less"):
        ConvNet(2, 1, 2, 28, width=4, depth=5)
    with pytest.raises(ValueError, match="use depth 3 or less"):
        ConvNet(2, 1, 2, (64, 8), width=4, depth=4)
    with pytest.raises(ValueError, match="at least 2 pixels"):
        ConvNet(2, 1, 2, 1, width=4, depth=1)
    assert ConvNet(2, 1, 2, 4, width=4, depth=5, pooling="none")


@pytest.mark.parametrize("argument", ["norm", "activation", "pooling"])
def test_convnet_lists_what_is_available(argument: str) -> None:
    with pytest.raises(ValueError, match=rf"Expected {argument} to be one of \[.*got 'other'"):
        ConvNet(2, 1, 2, 8, **{argument: "other"})  # type: ignore[arg-type]


def test_impossible_networks_are_refused() -> None:
    refused: list[Callable[[], nn.Module]] = [
        lambda: ConvNet(1, 1, 2, 8),
        lambda: ConvNet(2, 0, 2, 8),
        lambda: ConvNet(2, 1, 2, (8, 8, 8)),
        lambda: ConvNet(2, 1, 2, 8, width=6, norm="group"),
        lambda: ConvNet(2, 1, 2, 8, depth=0),
        lambda: AlexNet(2, 1, 2, 7),
        lambda: AlexNet(2, 1, 2, 32, width=3),
        lambda: VGG11(2, 1, 2, 1),
        lambda: VGG11(2, 1, 2, 32, width=0),
        lambda: ResNet18(2, 1, 2, 15),
        lambda: ResNet18(2, 1, 2, 32, width=0),
        lambda: SmallViT(2, 1, 2, 3),
        lambda: SmallViT(2, 1, 2, 8, width=6),
        lambda: SmallViT(2, 1, 2, 8, heads=0),
    ]
    for build in refused:
        with pytest.raises(ValueError, match=r"Expected .*got"):
            build()


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 1, 8, 9), (1, 8, 8)])
def test_wrong_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected images of shape \[B, 1, 8, 8\], got"):
        ConvNet(2, 1, 2, 8, width=4, depth=1)(torch.zeros(shape))


@pytest.mark.parametrize("kind", [tuple, list])  # a manifest holds lists
def test_the_convnet_takes_norm_and_activation_as_monai_s_networks_do(kind: Any) -> None:
    norm, activation = kind(("group", {"num_groups": 2})), kind(("leakyrelu", {"negative_slope": 0.3}))
    network = ConvNet(2, 1, 3, 8, width=4, depth=2, norm=norm, activation=activation)
    assert [layer.num_groups for layer in network.modules() if isinstance(layer, nn.GroupNorm)] == [2, 2]
    slopes = [network.get_submodule(name).negative_slope for name in network.feature_layers]
    assert slopes == [0.3, 0.3]
    smooth = ConvNet(2, 1, 3, 8, width=4, depth=1, activation=("gelu", {}))  # of no class that this package lists
    assert isinstance(smooth.get_submodule(smooth.feature_layers[0]), nn.GELU)
    same = ConvNet(2, 1, 3, 8, width=4, depth=2, norm=("group", {"num_groups": 4}), activation=("relu", {}))
    same.load_state_dict(ConvNet(2, 1, 3, 8, width=4, depth=2, norm="group").state_dict())
    for wrong in ("swish", ("group",), ("group", 4)):
        with pytest.raises(ValueError, match="name of MONAI's layers"):
            ConvNet(2, 1, 3, 8, width=4, depth=1, norm=wrong)
