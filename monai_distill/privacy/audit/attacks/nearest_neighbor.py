"""Distance attack: is a released image closer to this image than chance allows?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset

__all__ = ["NearestNeighbor"]


class NearestNeighbor:
    """Negative distance of every candidate to the nearest released image of its class.

    References:
        Yao et al., The DCR Delusion, ESORICS 2025, https://arxiv.org/abs/2505.01524: this distance alone is no measure
        of privacy. It is compared with the distances of the same image in shadows (:func:`~.calibration.calibrated`).

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        labels: [n] classes; if a class has no released image, all released images are used.
        features: maps pixel values to vectors [n, F].

    Example:
        >>> attack = NearestNeighbor(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), lambda x: x.flatten(1))
        >>> attack(SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a", "b"])).tolist()
        [-2.0, -2.0]
    """

    one_sided = True  # a copy is closer than in any shadow without the image; a larger distance has no meaning

    def __init__(self, images: Tensor, labels: Tensor, features: Callable[[Tensor], Tensor]) -> None:
        self.features = features
        self.candidates = features(images)
        self.labels = labels

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """Return the statistic [n], higher for an image that is close to a released one."""
        released = self.features(release.pixels()).to(self.candidates)
        # the faster matrix product would turn the distance 0 of a copy into a rounding error
        distances = torch.cdist(self.candidates, released, compute_mode="donot_use_mm_for_euclid_dist").cpu()
        other = self.labels.cpu()[:, None] != release.labels.cpu()[None, :]
        other[other.all(dim=1)] = False
        return -distances.masked_fill(other, float("inf")).min(dim=1).values
