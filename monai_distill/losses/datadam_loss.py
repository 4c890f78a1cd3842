"""DataDAM's loss: the distance between the class means of spatial attention maps."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.runtime.validation import require_in_interval

from .class_sums import ClassSums, class_mean_distance

__all__ = ["AttentionMatchingLoss", "attention_map"]


def attention_map(features: Tensor, power: float) -> Tensor:
    """Sum of ``|features|^power`` over channels, flattened and scaled to length 1 per image.

    References:
        DataDAM: Sajedi et al., DataDAM: Efficient Dataset Distillation with Attention Matching, ICCV 2023,
        https://arxiv.org/abs/2310.00093, section 3.2.

    Args:
        features: [n, C, *spatial].
        power: p; the paper uses 4, the released program 1.

    Returns:
        [n, pixels].

    Raises:
        ValueError: if the power is below 1, whose slope is infinite where a feature is zero.

    Example:
        >>> attention_map(torch.tensor([[[[3.0, 0.0]], [[0.0, 4.0]]]]), power=1)
        tensor([[0.6000, 0.8000]])
    """
    require_in_interval("[1, inf)", "The literature uses 1 and 4.", power=power)
    return F.normalize(features.abs().pow(power).sum(dim=1).flatten(1), dim=1)


class AttentionMatchingLoss(nn.Module):
    """Distances of the class means of attention maps, and of embeddings: ``w (sum_l D_l + lambda D_embedding)``.

    D is the sum over classes of squared distances between class means.

    References:
        DataDAM: Sajedi et al., DataDAM: Efficient Dataset Distillation with Attention Matching, ICCV 2023,
        https://arxiv.org/abs/2310.00093, eq. 2 to 4.

    Deviation: the weight of 100 is that of the released program; the paper has no weight.

    Args:
        embedding_weight: lambda; the paper gives 0.01 for low and 0.02 for high resolution.
        weight: w, a factor of the whole loss.

    Raises:
        ValueError: if a weight is negative; from ``forward``, if there is no attention map next to the embedding.

    Example:
        >>> real, synthetic = (ClassSums(torch.full((1, 2), v), torch.ones(1)) for v in (1.0, 0.0))
        >>> AttentionMatchingLoss(embedding_weight=0.5)([real, real], [synthetic, synthetic])
        tensor(300.)
    """

    def __init__(self, embedding_weight: float = 0.01, weight: float = 100.0) -> None:
        super().__init__()
        require_in_interval("[0, inf)", embedding_weight=embedding_weight, weight=weight)
        self.embedding_weight = embedding_weight
        self.weight = weight

    def forward(self, real: Sequence[ClassSums], synthetic: Sequence[ClassSums]) -> Tensor:
        """Return the loss, a scalar, from the sums of every layer's maps and, last, of the embedding."""
        distances = [class_mean_distance(r, s) for r, s in zip(real, synthetic, strict=True)]
        if len(distances) < 2:
            raise ValueError(f"Expected the sums of at least one attention map and an embedding, got {len(real)}.")
        return self.weight * (torch.stack(distances[:-1]).sum() + self.embedding_weight * distances[-1])
