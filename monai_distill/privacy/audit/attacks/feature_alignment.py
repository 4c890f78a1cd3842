"""Attack on distribution matching: do the released features of a class point toward those of this image?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.image_blocks import blocks

__all__ = ["FeatureAlignment"]


class FeatureAlignment:
    """Inner product of a candidate's features with the released mean of its class, both relative to the public mean.

    A method that matches class means under random networks releases these means; each member moved the mean of its
    class toward its own features.

    References:
        Dwork, Smith, Steinke, Ullman and Vadhan, Robust Traceability from Trace Amounts, FOCS 2015 (the statistic).

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        labels: [n] classes.
        public: images of the same kind that are no candidates, as pixel values; a class without any uses all.
        features: maps pixel values to vectors [n, F] of random networks.

    Example:
        >>> public = ClassBank(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> attack = FeatureAlignment(torch.ones(1, 1, 2, 2), torch.tensor([0]), public, lambda x: x.flatten(1))
        >>> attack(SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a", "b"])).tolist()
        [2.0]
    """

    def __init__(self, images: Tensor, labels: Tensor, public: ClassBank, features: Callable[[Tensor], Tensor]) -> None:
        self.features = features
        self.labels = labels.cpu()
        vectors = torch.cat([features(block).cpu() for block in blocks(public.images)])
        self.means = _class_means(vectors, public.labels.cpu(), public.num_classes, vectors.mean(dim=0))
        self.candidates = features(images).cpu() - self.means[self.labels]

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """Return the statistic [n], higher if the released means point toward the image."""
        released, labels = self.features(release.pixels()).cpu(), release.labels.cpu()
        count = len(self.means)
        overall = released.mean(dim=0) - self.means.mean(dim=0)
        differences = _class_means(released - self.means[labels], labels, count, overall)
        directions = torch.nn.functional.normalize(differences, dim=1)
        return (self.candidates * directions[self.labels]).sum(dim=1)


def _class_means(values: Tensor, labels: Tensor, count: int, default: Tensor) -> Tensor:
    rows = [values[labels == c].mean(dim=0) if bool((labels == c).any()) else default for c in range(count)]
    return torch.stack(rows)
