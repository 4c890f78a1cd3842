"""The attack without any training: is a released image nearer to this one than chance would have it?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.data import SyntheticDataset

__all__ = ["NearestNeighbour"]


class NearestNeighbour:
    """Minus the distance of every candidate to the nearest released image of its class.

    References:
        Yao et al., The DCR Delusion, ESORICS 2025, for why this distance alone is no score of privacy: it is evidence
        only against the same image's distance in shadows (:func:`~.calibration.calibrated`).

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        labels: [n] classes; where a class has no released image, all count.
        features: from pixel values to vectors [n, F].

    Example:
        >>> attack = NearestNeighbour(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), lambda x: x.flatten(1))
        >>> attack(SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a", "b"])).tolist()
        [-2.0, -2.0]
    """

    one_sided = True  # a copy is nearer than any shadow without the image: only that side means anything

    def __init__(self, images: Tensor, labels: Tensor, features: Callable[[Tensor], Tensor]) -> None:
        self.features = features
        self.candidates = features(images)
        self.labels = labels

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """The statistic [n], higher for an image that looks released."""
        theirs = self.features(release.pixels()).to(self.candidates)
        # the fast way through a matrix product would make a copy's distance of 0 a rounding error
        distances = torch.cdist(self.candidates, theirs, compute_mode="donot_use_mm_for_euclid_dist").cpu()
        other = self.labels.cpu()[:, None] != release.labels.cpu()[None, :]
        other[other.all(dim=1)] = False
        return -distances.masked_fill(other, float("inf")).min(dim=1).values
