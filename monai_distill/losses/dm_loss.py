"""DM's loss: the distance between the mean embeddings of real and of synthetic images, class by class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .class_sums import ClassSums, class_mean_distance

__all__ = ["DistributionMatchingLoss"]


class DistributionMatchingLoss(nn.Module):
    """``sum_c |mean phi(real_c) - mean phi(synthetic_c)|^2``, added up over the kinds of features phi.

    References:
        DM: Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023,
        https://arxiv.org/abs/2110.04181, eq. 5.

    Deviation: a class that has no real or no synthetic image adds nothing.

    Raises:
        ValueError: from ``forward``, if the two sides have different numbers or sizes of features.

    Example:
        >>> real, synthetic = (ClassSums(torch.full((2, 3), v), torch.ones(2)) for v in (1.0, 0.0))
        >>> DistributionMatchingLoss()([real], [synthetic])
        tensor(6.)
    """

    def forward(self, real: Sequence[ClassSums], synthetic: Sequence[ClassSums]) -> Tensor:
        """Return the loss, a scalar, from one :class:`ClassSums` per kind of features and side."""
        return torch.stack([class_mean_distance(r, s) for r, s in zip(real, synthetic, strict=True)]).sum()
