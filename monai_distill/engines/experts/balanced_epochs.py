"""Epochs in which an expert sees as many images of every class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator

__all__ = ["BalancedEpochs"]


class BalancedEpochs:
    """Image positions by epoch, equally many of every class; a ``curriculum`` of :class:`ExpertProtocol`.

    The length of an epoch stays the same. Large classes are subsampled at random in every epoch. Small classes are
    oversampled evenly: the numbers of repetitions of two images differ at most by one.

    References:
        Japkowicz and Stephen, The class imbalance problem: a systematic study, Intelligent Data Analysis 2002 (over-
        and undersampling).

    Deviation: the experts of all published methods see the classes at their natural frequencies. A distilled set is
    balanced, so its students assume balanced classes and then copy the experts' bias towards frequent classes.

    Args:
        labels: class numbers [n].
        seed: seed of the run.
        within: maps an epoch (from 0) to the positions [m] from which it is sampled; None for all.

    Raises:
        ValueError: if there is no image.

    Example:
        >>> balanced = BalancedEpochs(torch.tensor([0, 0, 0, 0, 0, 1]))
        >>> [int(position) for position in balanced(0)].count(5)
        3
    """

    def __init__(self, labels: Tensor, *, seed: int = 0, within: Callable[[int], Tensor] | None = None) -> None:
        if not len(labels):
            raise ValueError("Expected labels of at least one image, got none. Check the training section.")
        self.labels = labels.cpu()
        self.seed = seed
        self.within = within

    def __call__(self, epoch: int) -> Tensor:
        """The positions [m] of the images seen in ``epoch`` (from 0), class after class."""
        positions = torch.arange(len(self.labels)) if self.within is None else self.within(epoch).cpu()
        generator = seeded_generator(self.seed, "balanced epochs", epoch)
        classes = sorted(set(self.labels[positions].tolist()))
        share = -(-len(positions) // len(classes))
        return torch.cat([_sampled(positions[self.labels[positions] == c], share, generator) for c in classes])


def _sampled(positions: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` of ``positions``: shuffled rounds over all of them, the last one cut."""
    rounds = [
        positions[torch.randperm(len(positions), generator=generator)] for _ in range(-(-count // len(positions)))
    ]
    return torch.cat(rounds)[:count]
