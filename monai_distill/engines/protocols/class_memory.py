"""Restriction of a memory, a bank and predictions to the classes seen so far."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_distill.data.class_bank import ClassBank

__all__ = ["classes_subset", "masked_score", "memory_of_classes"]


def memory_of_classes(images: Tensor, targets: Tensor, labels: Tensor, seen: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The images whose class is in ``seen``, with their targets.

    Args:
        images: [n, channels, *spatial].
        targets: class numbers [n], or logits [n, classes]; those of unseen classes become minus infinity, so that the
            softmax is over the seen classes.
        labels: class numbers [n].
        seen: class numbers.

    Example:
        >>> memory_of_classes(torch.zeros(2, 1, 2, 2), torch.zeros(2, 2), torch.tensor([0, 1]), [1])[1]
        tensor([[-inf, 0.]])
    """
    in_memory = torch.isin(labels, torch.tensor(list(seen), device=labels.device))
    targets = targets[in_memory].clone()
    if targets.is_floating_point():
        targets[:, [c for c in range(targets.shape[1]) if c not in seen]] = -torch.inf
    return images[in_memory], targets


def classes_subset(bank: ClassBank, seen: Sequence[int]) -> ClassBank:
    """The images of ``bank`` whose class is in ``seen``, in their order; the class names stay complete.

    Example:
        >>> bank = ClassBank(torch.rand(3, 1, 4, 4), torch.tensor([1, 0, 1]), ["a", "b"])
        >>> classes_subset(bank, [1]).counts
        (0, 2)
    """
    return bank.subset(torch.cat([bank.indices[c] for c in seen]).sort().values)


def masked_score(seen: Sequence[int], score: Callable[[Any, Any], float], probabilities: Any, labels: Any) -> float:
    """``score`` of probabilities [n, classes] after those of classes outside ``seen`` are set to 0.

    Example:
        >>> from monai_distill.metrics import accuracy
        >>> masked_score([0, 1], accuracy, np.array([[0.2, 0.1, 0.7]]), np.array([0]))
        1.0
    """
    masked = np.zeros_like(probabilities)
    masked[:, list(seen)] = probabilities[:, list(seen)]
    return score(masked, labels)
