"""GIFT: labels of a teacher, refined by the hard labels, and a loss that is the angle between logits and labels."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from monai_distill.runtime.validation import require_in_interval

__all__ = ["cosine_loss", "refined_labels"]


def refined_labels(logits: Tensor, labels: Tensor, hard_share: float = 0.1, smoothing: float = 0.1) -> Tensor:
    """``g h / |h| + (1 - g) s / |s|`` with the teacher's probabilities s and the smoothed class numbers h.

    References:
        GIFT: Shang et al., GIFT: Unlocking Full Potential of Labels in Distilled Dataset at Near-zero Cost, ICLR 2025,
        https://arxiv.org/abs/2405.14736 (label refinement).

    Deviation: the paper's share and smoothing are not known to this project; the defaults are its own.

    Args:
        logits: of the teacher [n, classes].
        labels: class numbers [n].
        hard_share: g, from 0 to 1.
        smoothing: the probability that the hard labels share out over all classes, from 0 to 1.

    Returns:
        [n, classes], at least 0; only the direction of a row counts.

    Raises:
        ValueError: if a share is out of its range.

    Example:
        >>> import torch
        >>> refined_labels(torch.zeros(1, 2), torch.tensor([0]), hard_share=1.0, smoothing=0.0)
        tensor([[1., 0.]])
    """
    require_in_interval("[0, 1]", hard_share=hard_share, smoothing=smoothing)
    classes = logits.shape[1]
    hard = (1 - smoothing) * F.one_hot(labels, classes).to(logits) + smoothing / classes
    return hard_share * F.normalize(hard, dim=1) + (1 - hard_share) * F.normalize(logits.softmax(dim=1), dim=1)


def cosine_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean of ``1 - cos(logits, targets)``.

    References:
        GIFT: Shang et al., GIFT: Unlocking Full Potential of Labels in Distilled Dataset at Near-zero Cost, ICLR 2025,
        https://arxiv.org/abs/2405.14736.

    Args:
        logits: [B, classes].
        targets: [B, classes], of any length above 0.

    Returns:
        A scalar from 0 to 2.

    Example:
        >>> import torch
        >>> cosine_loss(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]]))
        tensor(0.4000)
    """
    return (1 - F.cosine_similarity(logits, targets, dim=1)).mean()
