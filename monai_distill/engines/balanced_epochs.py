"""Epochs in which experts see as many images of every class, whatever the sizes of the classes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.randomness import seeded_generator

__all__ = ["BalancedEpochs"]


class BalancedEpochs:
    """Image positions by epoch, equally many of every class; give it to :class:`ExpertTrainer` as ``curriculum``.

    An epoch is as long as before. Of a class with more images than its share a random part is seen, another in every
    epoch; the images of one with fewer are repeated, each as often as the others to within one.

    References:
        Japkowicz and Stephen, The class imbalance problem: a systematic study, Intelligent Data Analysis 2002 (over-
        and undersampling).

    Deviation: the originals' experts see the classes as often as they are. A distilled set is balanced, so that its
    students assume balanced classes from the start, and then learn the experts' leaning towards the frequent ones.

    Args:
        labels: class numbers [n].
        seed: seed of the run.
        within: maps an epoch (from 0) to the positions [m] it is drawn from; None for all.

    Raises:
        ValueError: without an image.

    Example:
        >>> balanced = BalancedEpochs(torch.tensor([0, 0, 0, 0, 0, 1]))
        >>> [int(position) for position in balanced(0)].count(5)
        3
    """

    def __init__(self, labels: Tensor, *, seed: int = 0, within: Callable[[int], Tensor] | None = None) -> None:
        if not len(labels):
            raise ValueError("Expected labels of at least one image, got none.")
        self.labels = labels.cpu()
        self.seed = seed
        self.within = within

    def __call__(self, epoch: int) -> Tensor:
        """The positions [m] of the images that are seen in ``epoch`` (from 0), class after class."""
        given = torch.arange(len(self.labels)) if self.within is None else self.within(epoch).cpu()
        generator = seeded_generator(self.seed, "balanced epochs", epoch)
        classes = sorted(set(self.labels[given].tolist()))
        share = -(-len(given) // len(classes))
        drawn = [_drawn(given[self.labels[given] == label], share, generator) for label in classes]
        return torch.cat(drawn)


def _drawn(positions: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` of ``positions`` in whole shuffled rounds, the last one cut."""
    rounds = [
        positions[torch.randperm(len(positions), generator=generator)] for _ in range(-(-count // len(positions)))
    ]
    return torch.cat(rounds)[:count]
