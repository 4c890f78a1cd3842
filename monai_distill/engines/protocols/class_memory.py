"""The part of a training set, and of the predictions, that belongs to the classes seen so far."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_distill.data import ClassBank

__all__ = ["among", "remembered", "seen_part"]


def remembered(images: Tensor, targets: Tensor, labels: Tensor, seen: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The images whose class is in ``seen`` with their targets, learned ones without what they say of other classes.

    Args:
        images: [n, channels, *spatial].
        targets: class numbers [n], or logits [n, classes]; those of unseen classes become minus infinity, so that the
            softmax is over the seen ones.
        labels: class numbers [n].
        seen: class numbers.

    Example:
        >>> remembered(torch.zeros(2, 1, 2, 2), torch.zeros(2, 2), torch.tensor([0, 1]), [1])[1]
        tensor([[-inf, 0.]])
    """
    kept = torch.isin(labels, torch.tensor(list(seen), device=labels.device))
    targets = targets[kept].clone()
    if targets.is_floating_point():
        targets[:, [c for c in range(targets.shape[1]) if c not in seen]] = -torch.inf
    return images[kept], targets


def seen_part(bank: ClassBank, seen: Sequence[int]) -> ClassBank:
    """The images of ``bank`` whose class is in ``seen``, in their order; it keeps the names of all classes.

    Example:
        >>> bank = ClassBank(torch.rand(3, 1, 4, 4), torch.tensor([1, 0, 1]), ["a", "b"])
        >>> seen_part(bank, [1]).counts
        (0, 2)
    """
    return bank.subset(torch.cat([bank.indices[c] for c in seen]).sort().values)


def among(seen: Sequence[int], score: Callable[[Any, Any], float], probabilities: Any, labels: Any) -> float:
    """``score`` of probabilities [n, classes] in which classes that are not in ``seen`` have none.

    Example:
        >>> from monai_distill.metrics import accuracy
        >>> among([0, 1], accuracy, np.array([[0.2, 0.1, 0.7]]), np.array([0]))
        1.0
    """
    masked = np.zeros_like(probabilities)
    masked[:, list(seen)] = probabilities[:, list(seen)]
    return score(masked, labels)
