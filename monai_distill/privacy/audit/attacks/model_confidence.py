"""Classical membership attack: the confidence of models trained on the release in an image's label."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.randomness import derived_seed
from monai_distill.runtime.validation import require_positive_int

__all__ = ["ModelConfidence", "scaled_confidence"]


def scaled_confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Map logits [..., n, K] and labels [n] to log(p / (1 - p)) [..., n], where p is the label's probability.

    References:
        Carlini et al., IEEE S&P 2022, https://arxiv.org/abs/2112.03570: nearly Gaussian over models, unlike the loss.

    Example:
        >>> scaled_confidence(torch.tensor([[2.0, 0.0]]), torch.tensor([0])).tolist()
        [2.0]
    """
    index = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    others = logits.scatter(-1, index, float("-inf")).logsumexp(dim=-1)
    return logits.gather(-1, index).squeeze(-1) - others


class ModelConfidence:
    """Mean scaled confidence of several networks trained on the released set: the statistic of LiRA.

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        labels: [n] classes; wrong for canaries.
        network: architecture of the models.
        train: maps (network, images, targets, lr, seeds) to parameters [models, P].
        models: number of models.
        seed: of the initializations, the same for every set, so that only the set differs.

    Raises:
        ValueError: for no models.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        network: FlatNetwork,
        train: Callable[..., Tensor],
        *,
        models: int = 2,
        seed: int = 0,
    ) -> None:
        require_positive_int(models=models)
        self.images = images
        self.labels = labels
        self.network = network
        self.train = train
        self.seeds = [derived_seed(seed, "audit model", i) for i in range(models)]

    def logits(self, release: SyntheticDataset, images: Tensor) -> Tensor:
        """Return logits [models, n, K] of images that are pixel values [n, channels, *spatial]."""
        return self.logits_of(release, release.training_set(), images)

    def logits_of(self, release: SyntheticDataset, training_set: tuple[Tensor, Tensor, Any], images: Tensor) -> Tensor:
        """Logits as from :meth:`logits`, of networks trained on another form of the set: (images, targets, lr)."""
        parameters = self.train(self.network, *training_set, self.seeds)
        inputs = images if release.preprocessing is None else release.preprocessing(images)
        rows = [
            torch.cat([self.network.predict(vector, part) for part in torch.split(inputs.to(parameters), 512)])
            for vector in parameters
        ]
        return torch.stack(rows).cpu()

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """Return the statistic [n], higher for an image of which the models are confident."""
        return scaled_confidence(self.logits(release, self.images), self.labels.cpu()).mean(dim=0)
