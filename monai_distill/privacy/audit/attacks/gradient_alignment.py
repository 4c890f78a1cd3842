"""Attack on gradient and trajectory matching: does training on the release also fit this image?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.randomness import derived_seed
from monai_distill.runtime.validation import require_positive_int

__all__ = ["GradientAlignment"]


class GradientAlignment:
    """Inner product of a candidate's gradient with the released set's unit gradient, along training on that set.

    Methods that match gradients or trajectories align the set's gradient with those of the members. The trajectory is
    simulated from new networks with the released learning rate; one directional derivative gives the products of all
    candidates at once.

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        labels: [n] classes.
        network: architecture that the method used, which the manifest names.
        starts: number of new networks.
        steps: SGD steps on the set; the product is taken before every ``every``-th step.
        every: see ``steps``.
        batch_size: candidates per forward pass.
        seed: of the new networks.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> attack = GradientAlignment(torch.randn(3, 1, 8, 8), torch.tensor([0, 1, 1]), network, starts=1, steps=1)
        >>> attack(SyntheticDataset(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), ["a", "b"])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        network: FlatNetwork,
        *,
        starts: int = 2,
        steps: int = 12,
        every: int = 4,
        batch_size: int = 512,
        seed: int = 0,
    ) -> None:
        require_positive_int(starts=starts, steps=steps, every=every)
        self.images = images
        self.labels = labels
        self.network = network
        self.steps = steps
        self.every = every
        self.batch_size = batch_size
        self.seeds = [derived_seed(seed, "audit trajectory", i) for i in range(starts)]

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """Return the statistic [n], higher for an image whose gradients align with those of the set."""
        images, targets, student_lr = release.training_set()
        candidates = _preprocessed(release, self.images).to(images)
        labels = self.labels.to(images.device)
        total = torch.zeros(len(candidates))
        for seed in self.seeds:
            parameters = self.network.initial(seed).to(images.device)
            for step in range(self.steps):
                gradient = torch.func.grad(self._loss)(parameters, images, targets)
                if step % self.every == 0:
                    total += self._products(parameters, gradient / gradient.norm().clamp_min(1e-12), candidates, labels)
                parameters = parameters - student_lr * gradient
        return total

    def _products(self, parameters: Tensor, direction: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        parts = []
        for x, y in zip(torch.split(images, self.batch_size), torch.split(labels, self.batch_size), strict=True):
            losses = _losses(self.network, x, y)
            parts.append(torch.func.jvp(losses, (parameters,), (direction,))[1].detach().cpu())
        return torch.cat(parts)

    def _loss(self, parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        soft = targets.softmax(dim=1) if targets.is_floating_point() else targets
        return F.cross_entropy(self.network(parameters, images), soft)


def _losses(network: FlatNetwork, images: Tensor, labels: Tensor) -> Any:
    return lambda parameters: F.cross_entropy(network(parameters, images), labels, reduction="none")


def _preprocessed(release: SyntheticDataset, images: Tensor) -> Tensor:
    preprocessed: Tensor = images if release.preprocessing is None else release.preprocessing(images)
    return preprocessed
