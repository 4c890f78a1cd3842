"""The classical attack: how sure of an image's label are the models that are trained on the release?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.data import SyntheticDataset
from monai_distill.networks import FlatNetwork
from monai_distill.runtime.randomness import derived_seed

__all__ = ["ModelConfidence", "scaled_confidence"]


def scaled_confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """log(p / (1 - p)) of the label's probability p, from logits [..., n, K] and labels [n] to [..., n].

    References:
        Carlini et al., IEEE S&P 2022: nearly Gaussian over models, unlike the loss.

    Example:
        >>> scaled_confidence(torch.tensor([[2.0, 0.0]]), torch.tensor([0])).tolist()
        [2.0]
    """
    own = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    others = logits.scatter(-1, own, float("-inf")).logsumexp(dim=-1)
    return logits.gather(-1, own).squeeze(-1) - others


class ModelConfidence:
    """Mean scaled confidence of several networks trained on the released set: the statistic of LiRA.

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        labels: [n] classes; of a canary the wrong one.
        network: the models' architecture.
        train: (network, images, targets, learning rate, seeds) -> parameters [models, P].
        models: how many.
        seed: of their initialisations, the same for every set, so that only the set differs.

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
        if models < 1:
            raise ValueError(f"Expected at least 1 model, got {models}.")
        self.images = images
        self.labels = labels
        self.network = network
        self.train = train
        self.seeds = [derived_seed(seed, "audit model", i) for i in range(models)]

    def logits(self, release: SyntheticDataset, images: Tensor) -> Tensor:
        """Logits [models, n, K] of images given as pixel values [n, channels, *spatial]."""
        parameters = self.train(self.network, *release.training_set(), self.seeds)
        seen = images if release.preprocessing is None else release.preprocessing(images)
        rows = [
            torch.cat([self.network.predict(one, part) for part in torch.split(seen.to(parameters), 512)])
            for one in parameters
        ]
        return torch.stack(rows).cpu()

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """The statistic [n], higher for an image that the models are sure of."""
        return scaled_confidence(self.logits(release, self.images), self.labels.cpu()).mean(dim=0)
