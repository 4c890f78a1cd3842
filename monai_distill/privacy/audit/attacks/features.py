"""Features in which an attacker compares images: pixels, random networks, a network trained on public images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from monai_distill.data.class_bank import ClassBank
from monai_distill.networks.features import embedding
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.randomness import derived_seed, temporary_global_seed

__all__ = ["network_features", "pixel_features", "random_networks", "trained_network"]


def pixel_features(images: Tensor) -> Tensor:
    """Pixel values [n, channels, *spatial] as vectors [n, P].

    Example:
        >>> pixel_features(torch.zeros(2, 1, 4, 4)).shape
        torch.Size([2, 16])
    """
    return images.flatten(1)


def random_networks(factory: Callable[[], nn.Module], count: int, seed: int) -> list[nn.Module]:
    """Make newly initialized networks, for which an attacker needs no data.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> len(random_networks(lambda: ConvNet(2, 1, 3, 8, width=4, depth=1), 2, seed=0))
        2
    """
    networks = []
    for i in range(count):
        with temporary_global_seed(derived_seed(seed, "audit random network", i)):
            networks.append(factory())
    return networks


def trained_network(
    factory: Callable[[], nn.Module],
    network: FlatNetwork,
    train: Callable[..., Tensor],
    public: ClassBank,
    lr: float,
    seed: int,
) -> list[nn.Module]:
    """Train one network on public images of the same kind, none of which is a candidate.

    Args:
        factory: builds the network.
        network: the same network as a function of its parameters.
        train: maps (network, images, targets, lr, seeds) to parameters [1, P].
        public: images as the networks receive them.
        lr: learning rate.
        seed: of the audit.
    """
    parameters = train(network, public.images, public.labels, lr, [derived_seed(seed, "audit public network")])
    return [network.load_into(factory(), parameters[0].cpu())]


def network_features(
    networks: list[nn.Module], preprocessing: Callable[[Tensor], Tensor], device: torch.device | str = "cpu"
) -> Callable[[Tensor], Tensor]:
    """Make a function from pixel values [n, channels, *spatial] to the concatenated embeddings [n, F] of networks.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> features = network_features([ConvNet(2, 1, 3, 8, width=4, depth=1)] * 2, lambda images: images)
        >>> features(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 128])
    """
    ready = [network.to(device).eval().requires_grad_(False) for network in networks]

    def features(images: Tensor) -> Tensor:
        with torch.no_grad():
            parts = [
                torch.cat([embedding(network, part) for network in ready], dim=1)
                for part in torch.split(preprocessing(images).to(device), 512)
            ]
        return torch.cat(parts)

    return features
