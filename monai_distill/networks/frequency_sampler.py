"""A small network that says at which frequencies two distributions are compared."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FrequencySampler"]


class FrequencySampler(nn.Module):
    """Frequencies from a learned scale mixture of normals: normal noise times scales made of other noise.

    Scales lie between 0 and 2 and are 1 before any training, so that the mixture cannot run off to frequencies at which
    nothing can be told apart any more.

    References:
        Wang et al., Dataset Distillation with Neural Characteristic Function: A Minmax Perspective, CVPR 2025.

    Deviation: the paper's sampling network is not described to us; layers, bound and initialisation are ours.

    Args:
        features: length F of a frequency.
        hidden: units of the hidden layer.
        noise: length of the noise that the scales are made of.

    Example:
        >>> sampler = FrequencySampler(5)
        >>> sampler(torch.Generator().manual_seed(0), 3).shape
        torch.Size([3, 5])
    """

    def __init__(self, features: int, hidden: int = 64, noise: int = 32) -> None:
        super().__init__()
        self.features = features
        self.noise = noise
        self.hidden = nn.Linear(noise, hidden)
        self.scales = nn.Linear(hidden, features)
        nn.init.zeros_(self.scales.weight)
        nn.init.zeros_(self.scales.bias)

    def forward(self, generator: torch.Generator, count: int) -> Tensor:
        """Draw ``count`` frequencies [count, F] with a CPU generator; differentiable in the network's parameters."""
        place = self.scales.weight
        mixing = torch.randn(count, self.noise, generator=generator).to(place)
        normal = torch.randn(count, self.features, generator=generator).to(place)
        scales: Tensor = 2 * torch.sigmoid(self.scales(torch.tanh(self.hidden(mixing))))
        return normal * scales
