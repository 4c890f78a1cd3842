"""The classifiers that hospitals use: made, trained, scored and read before the classifier."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from monai_distill.networks import AdaptedNetwork, FlatNetwork
from monai_distill.networks.running_statistics import scored_network

NETS = "monai.networks.nets"
NETWORKS: dict[str, dict[str, Any]] = {
    f"{NETS}.DenseNet121": {"block_config": [1, 1, 1, 1]},  # four blocks as there, with fewer layers
    f"{NETS}.EfficientNetBN": {"model_name": "efficientnet-b0"},
    f"{NETS}.SEResNet50": {"layers": [1, 1, 1, 1]},
    f"{NETS}.resnet10": {},
    f"{NETS}.TorchVisionFCModel": {"model_name": "resnet18", "pool": ["avg", {"kernel_size": 1}]},
    "torchvision.models.resnet18": {},
    f"{NETS}.ViT": {"patch_size": 8, "classification": True, "num_layers": 2, "hidden_size": 12, "num_heads": 2},
}


def made(name: str, channels: int = 1, **arguments: Any) -> AdaptedNetwork:
    return AdaptedNetwork(name, 2, channels, 3, [28, 28], {**NETWORKS.get(name, {}), **arguments})


@pytest.mark.parametrize("name", NETWORKS)
def test_it_has_the_classes_and_the_features_before_its_last_layer(name: str) -> None:
    network = made(name).eval()
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, features = network(images), network.embed(images)
    assert logits.shape == (2, 3)
    head = network.net.get_submodule(network.head_name)
    weight, bias = head.weight.flatten(1), head.bias
    expected = features @ weight.T + bias
    torch.testing.assert_close(expected.tanh() if name.endswith("ViT") else expected, logits)


@pytest.mark.parametrize("name", [f"{NETS}.DenseNet121", "torchvision.models.resnet18"])
def test_it_is_scored_with_the_statistics_that_the_module_itself_gathers(name: str) -> None:
    """Two SGD steps of the vector equal two of the plain module, running statistics included."""
    flat = FlatNetwork(functools.partial(made, name))
    assert not any(buffer.is_floating_point() for buffer in flat.module.buffers())  # batch statistics, for trajectories
    network = scored_network(flat)
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(6) % 3
    vector = network.initial(0)[None]
    module = network.load_into(made(name), vector[0]).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images), labels).backward()
        optimizer.step()
        leaf = vector[0].clone().requires_grad_()
        (slope,) = torch.autograd.grad(nn.functional.cross_entropy(network(leaf, images), labels), leaf)
        vector = network.with_statistics((vector - 0.1 * slope).detach())
    expected = torch.cat([value.flatten() for value in network_state(module)])
    torch.testing.assert_close(vector[0], expected, rtol=1e-4, atol=1e-5)
    module.eval()
    with torch.no_grad():
        torch.testing.assert_close(network.predict(vector[0], images), module(images), rtol=1e-3, atol=1e-4)


def network_state(module: nn.Module) -> list[torch.Tensor]:
    return [*(p.detach() for p in module.parameters()), *(b for b in module.buffers() if b.is_floating_point())]


def test_what_cannot_be_made_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"model_name.*--network_options"):
        AdaptedNetwork(f"{NETS}.EfficientNetBN", 2, 1, 3, 28)
    with pytest.raises(ValueError, match="no_such_module"):
        AdaptedNetwork("no_such_module.Net", 2, 1, 3, 28)
    with pytest.raises(ValueError, match="take 1 or 3 channels"):
        AdaptedNetwork("torchvision.models.resnet18", 2, 2, 3, 28)
    with pytest.raises(ValueError, match=r"torch\.nn\.Flatten"):
        AdaptedNetwork("torch.nn.Flatten", 2, 1, 3, 28)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_pretrained_weights_are_taken_but_for_a_head_of_another_size(suffix: str, tmp_path: Path) -> None:
    name = "torchvision.models.resnet18"
    source = AdaptedNetwork(name, 2, 3, 5, 28).net.state_dict()
    file = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save({"state_dict": {f"module.{key}": value for key, value in source.items()}}, file)
    else:
        save_file(source, file)
    network = AdaptedNetwork(name, 2, 3, 3, 28, weights=str(file)).net
    assert torch.equal(network.conv1.weight, source["conv1.weight"])
    assert network.fc.weight.shape == (3, 512)
    del source["layer1.0.conv1.weight"]
    torch.save(source, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"layer1\.0\.conv1\.weight"):
        AdaptedNetwork(name, 2, 3, 3, 28, weights=str(tmp_path / "other.pt"))


@pytest.mark.parametrize("name", ["torchvision.models.resnet18", f"{NETS}.DenseNet121"])
def test_one_image_that_batch_norm_cannot_normalize_is_refused_with_a_way_out(name: str) -> None:
    network = made(name)
    image = torch.rand(1, 1, 28, 28)
    assert network.eval()(image).shape == (1, 3)  # running statistics need no batch
    flat = FlatNetwork(functools.partial(made, name))
    for call in (lambda: network.train()(image), lambda: flat(flat.initial(0), image)):
        with pytest.raises(ValueError, match=r"1 x 1 \(\d+ channels\).*--images_per_class 2"):
            call()
    assert flat(flat.initial(0), torch.cat([image, image + 1])).shape == (2, 3)
