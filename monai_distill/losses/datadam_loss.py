"""Where a network looks: spatial attention maps, and the distance between their class means."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .class_sums import ClassSums, class_mean_distance

__all__ = ["AttentionMatchingLoss", "attention_map"]


def attention_map(features: Tensor, power: float) -> Tensor:
    """Sum of ``|features|^power`` over channels, flattened and of length 1 per image: [n, C, *spatial] to [n, pixels].

    References:
        Sajedi et al., DataDAM: Efficient Dataset Distillation with Attention Matching, ICCV 2023, section 3.2.

    Raises:
        ValueError: for a power below 1, whose slope is infinite where a feature is zero.

    Example:
        >>> attention_map(torch.tensor([[[[3.0, 0.0]], [[0.0, 4.0]]]]), power=1)
        tensor([[0.6000, 0.8000]])
    """
    if power < 1:
        raise ValueError(f"Expected a power of at least 1, got {power}. The literature uses 1 and 4.")
    return F.normalize(features.abs().pow(power).sum(dim=1).flatten(1), dim=1)


class AttentionMatchingLoss(nn.Module):
    """Distances of the class means of attention maps, and of embeddings: ``w (sum_l D_l + lambda D_embedding)``.

    D is the sum over classes of squared distances between class means.

    References:
        Sajedi et al., DataDAM: Efficient Dataset Distillation with Attention Matching, ICCV 2023, eq. 2 to 4. The
        weight of 100 is that of the released program; the paper writes none.

    Args:
        embedding_weight: lambda; the paper gives 0.01 for low and 0.02 for high resolution.
        weight: w, of everything.

    Raises:
        ValueError: for a negative weight; from ``forward`` without an attention map beside the embedding.

    Example:
        >>> real, synthetic = (ClassSums(torch.full((1, 2), v), torch.ones(1)) for v in (1.0, 0.0))
        >>> AttentionMatchingLoss(embedding_weight=0.5)([real, real], [synthetic, synthetic])
        tensor(300.)
    """

    def __init__(self, embedding_weight: float = 0.01, weight: float = 100.0) -> None:
        super().__init__()
        if embedding_weight < 0 or weight < 0:
            raise ValueError(f"Expected weights of at least 0, got {embedding_weight} and {weight}.")
        self.embedding_weight = embedding_weight
        self.weight = weight

    def forward(self, real: Sequence[ClassSums], synthetic: Sequence[ClassSums]) -> Tensor:
        """Return the loss, a scalar, from the sums of every layer's maps and, last, of the embedding."""
        distances = [class_mean_distance(r, s) for r, s in zip(real, synthetic, strict=True)]
        if len(distances) < 2:
            raise ValueError(f"Expected the sums of at least one attention map and an embedding, got {len(real)}.")
        return self.weight * (torch.stack(distances[:-1]).sum() + self.embedding_weight * distances[-1])
