"""Cross-entropy against class numbers or against soft labels."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["classification_loss"]


def classification_loss(logits: Tensor, targets: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean cross-entropy of logits against class numbers or soft labels.

    Both softmaxes divide the logits by ``temperature``. The loss is not multiplied by the squared temperature.

    Args:
        logits: [B, K].
        targets: class numbers [B], or target logits [B, K], of which the softmax is taken.
        temperature: above 0.

    Returns:
        A scalar, in nats.

    Example:
        >>> import torch
        >>> hard = classification_loss(torch.eye(2), torch.tensor([0, 1]))
        >>> soft = classification_loss(torch.eye(2), 100 * torch.eye(2))
        >>> bool(torch.isclose(hard, soft))
        True
    """
    if temperature != 1:  # a division by one is four operations of a student's step and its derivative
        logits = logits / temperature
        targets = targets / temperature if targets.is_floating_point() else targets
    return F.cross_entropy(logits, targets.softmax(dim=1) if targets.is_floating_point() else targets)
