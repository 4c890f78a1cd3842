"""NCFM's sampling network: scales of the frequencies that are learned against the images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.losses.class_sums import ClassSums, class_sums
from monai_distill.losses.ncfm_loss import waves
from monai_distill.runtime.processes import exchange
from monai_distill.runtime.validation import require_in_interval, require_positive_int

from .distribution_matching import classified_features
from .matching_networks import WaveNetwork

__all__ = ["FrequencyScales"]


class FrequencyScales:
    """Multiplies the frequencies by learned scales, one per component; a call first steps towards a larger loss.

    With scales, the frequencies are a mixture of normal distributions of different width: the images are matched where
    they differ most.

    References:
        NCFM: Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025,
        https://arxiv.org/abs/2502.20653 (the sampling network psi, and its maximum).

    Deviations: the components' scales are parameters; the paper computes them with a small network. They stay within a
    factor, because a characteristic function at much larger frequencies is noise without a gradient.

    Args:
        loss: the loss that the images minimize.
        components: number of scales; the paper has one per 16 frequencies.
        lr: learning rate of Adam.
        most: largest factor between a scale and 1.

    Raises:
        ValueError: if there is no component, the learning rate is not above 0, or the factor is not above 1.

    Example:
        >>> from monai_distill.engines.distillation import RandomNetworks, WaveNetworks
        >>> from monai_distill.losses import CharacteristicFunctionLoss
        >>> from monai_distill.networks.nets import ConvNet
        >>> networks = WaveNetworks(RandomNetworks(lambda: ConvNet(2, 1, 1, 8, width=4, depth=1)), count=6)
        >>> scales, side = FrequencyScales(CharacteristicFunctionLoss(), components=2), torch.tensor([0])
        >>> changed = scales(networks(0), (torch.rand(1, 1, 8, 8), side), (torch.rand(1, 1, 8, 8), side))
        >>> bool((changed.frequencies != networks(0).frequencies).any())
        True
    """

    def __init__(
        self,
        loss: Callable[[Sequence[ClassSums], Sequence[ClassSums]], Tensor],
        *,
        components: int = 64,
        lr: float = 1e-3,
        most: float = 4.0,
    ) -> None:
        require_positive_int(components=components)
        require_in_interval("(0, inf)", lr=lr)
        require_in_interval("(1, inf)", most=most)
        self.loss = loss
        self.most = math.log(most)
        self.logarithms = nn.Parameter(torch.zeros(components))
        self.optimizer = torch.optim.Adam([self.logarithms], lr=lr, maximize=True)

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs: the scales depend on all iterations before."""
        return {"logarithms": self.logarithms.detach(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""
        with torch.no_grad():
            self.logarithms.copy_(state["logarithms"])
        self.optimizer.load_state_dict(state["optimizer"])

    def __call__(
        self, network: WaveNetwork, real: tuple[Tensor, Tensor], synthetic: tuple[Tensor, Tensor]
    ) -> WaveNetwork:
        """The network with scaled frequencies, after a step on images [n, C, *spatial] and class numbers [n]."""
        sides = [
            (classified_features(network.network, images.detach()), labels) for images, labels in (real, synthetic)
        ]
        with torch.enable_grad():
            value = self.loss(*(self._sums(kinds, labels, network.frequencies) for kinds, labels in sides))
            (gradient,) = torch.autograd.grad(value, self.logarithms)
        self.logarithms.grad = gradient
        self.optimizer.step()
        with torch.no_grad():
            exchange.copy_from_first([self.logarithms])
            self.logarithms.clamp_(-self.most, self.most)
            return WaveNetwork(network.network, self._scaled(network.frequencies))

    def _sums(self, kinds: list[Tensor], labels: Tensor, frequencies: Tensor) -> list[ClassSums]:
        classes = kinds[1].shape[1]
        first = waves(F.normalize(kinds[0].detach(), dim=1), self._scaled(frequencies))
        return [class_sums(kind, labels, classes) for kind in (first, *(kind.detach() for kind in kinds[1:]))]

    def _scaled(self, frequencies: Tensor) -> Tensor:
        component = torch.arange(len(frequencies)) % len(self.logarithms)
        return frequencies * self.logarithms[component].exp().to(frequencies)[:, None]
