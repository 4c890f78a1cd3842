"""The attack that knows distribution matching: do a class's released features lean towards this image's?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.runtime.image_blocks import blocks

__all__ = ["FeatureAlignment"]


class FeatureAlignment:
    """Inner product of a candidate's features with its class's released mean, both seen from the public mean.

    A method that matches class means under random networks releases these means; every member pulled its class's mean
    towards itself.

    References:
        Dwork, Smith, Steinke, Ullman and Vadhan, Robust Traceability from Trace Amounts, FOCS 2015, for the statistic.

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        labels: [n] classes.
        public: images of the same kind, none of them a candidate, as pixel values; a class without any uses all.
        features: from pixel values to vectors [n, F], those of random networks.

    Example:
        >>> public = ClassBank(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> attack = FeatureAlignment(torch.ones(1, 1, 2, 2), torch.tensor([0]), public, lambda x: x.flatten(1))
        >>> attack(SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a", "b"])).tolist()
        [2.0]
    """

    def __init__(self, images: Tensor, labels: Tensor, public: ClassBank, features: Callable[[Tensor], Tensor]) -> None:
        self.features = features
        self.labels = labels.cpu()
        known = torch.cat([features(block).cpu() for block in blocks(public.images)])
        self.means = _class_means(known, public.labels.cpu(), public.num_classes, known.mean(dim=0))
        self.candidates = features(images).cpu() - self.means[self.labels]

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """The statistic [n], higher for an image that the released means lean to."""
        theirs, labels = self.features(release.pixels()).cpu(), release.labels.cpu()
        count = len(self.means)
        leaning = _class_means(theirs - self.means[labels], labels, count, theirs.mean(dim=0) - self.means.mean(dim=0))
        directions = torch.nn.functional.normalize(leaning, dim=1)
        return (self.candidates * directions[self.labels]).sum(dim=1)


def _class_means(values: Tensor, labels: Tensor, count: int, otherwise: Tensor) -> Tensor:
    rows = [values[labels == c].mean(dim=0) if bool((labels == c).any()) else otherwise for c in range(count)]
    return torch.stack(rows)
