"""Which training images an expert sees in which epoch: the easy ones first, the easiest no more at the end."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator

__all__ = ["BalancedEpochs", "Curriculum"]


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


class Curriculum:
    """Image positions by epoch; give it to :class:`ExpertTrainer` as ``curriculum``.

    In every class, ordered from easy to hard: the easiest fraction, growing linearly from ``initial_fraction`` to all
    at epoch ``add_end``; all until ``first_removal``; then without the easiest ``first_drop``; after ``second_removal``
    without the easiest ``second_drop``.

    References:
        Li et al., Prioritize Alignment in Dataset Distillation, 2024.

    Deviation: fractions are of each class's own size (the released program has 5000 images per class written into it),
        and every class keeps at least one image.

    Args:
        difficulty: called once, when the first epoch is asked for; returns one number per image [n], larger is harder.
        labels: class numbers [n].
        initial_fraction: of epoch 0, above 0 and at most 1.
        add_end: the epoch from which all images are seen.
        first_removal: the last epoch with all of them.
        second_removal: the last epoch without the first drop alone.
        first_drop: fraction of the easiest images left out after ``first_removal``.
        second_drop: fraction of the easiest images left out after ``second_removal``.

    Raises:
        ValueError: when a fraction or the order of the epochs makes no schedule.

    Example:
        >>> easy_to_hard = Curriculum(
        ...     lambda: torch.tensor([0.3, 0.1, 0.4, 0.2]), torch.zeros(4), initial_fraction=0.5, add_end=2,
        ...     first_removal=3, second_removal=5, first_drop=0.25, second_drop=0.5,
        ... )
        >>> [easy_to_hard(epoch).tolist() for epoch in (0, 2, 4, 6)]
        [[1, 3], [1, 3, 0, 2], [3, 0, 2], [0, 2]]
    """

    def __init__(
        self,
        difficulty: Callable[[], Tensor],
        labels: Tensor,
        *,
        initial_fraction: float = 0.75,
        add_end: int = 20,
        first_removal: int = 40,
        second_removal: int = 60,
        first_drop: float = 0.1,
        second_drop: float = 0.2,
    ) -> None:
        if not (0 < initial_fraction <= 1 and 0 <= first_drop < 1 and 0 <= second_drop < 1):
            raise ValueError(
                "Expected initial_fraction above 0 and at most 1 and drops from 0 to below 1, got "
                f"{initial_fraction}, {first_drop} and {second_drop}."
            )
        if not 0 <= add_end <= first_removal <= second_removal:
            raise ValueError(
                "Expected epochs 0 <= add_end <= first_removal <= second_removal, got "
                f"{add_end}, {first_removal} and {second_removal}."
            )
        self.difficulty = difficulty
        self.labels = labels.cpu()
        self.initial_fraction = initial_fraction
        self.add_end = add_end
        self.first_removal, self.second_removal = first_removal, second_removal
        self.first_drop, self.second_drop = first_drop, second_drop

    def config(self) -> dict[str, Any]:
        """What tells these experts from others, as plain JSON values."""
        return {
            "initial_fraction": self.initial_fraction,
            "add_end": self.add_end,
            "removals": [[self.first_removal, self.first_drop], [self.second_removal, self.second_drop]],
        }

    def __call__(self, epoch: int) -> Tensor:
        """The positions [m] of the images that are seen in ``epoch`` (from 0), class after class, easy to hard."""
        seen, dropped = self._fractions(epoch)
        parts = []
        for ranked in self._ranked:
            low = min(int(dropped * len(ranked)), max(len(ranked) - 1, 0))
            high = max(int(seen * len(ranked)), low + 1)
            parts.append(ranked[low:high])
        return torch.cat(parts)

    def _fractions(self, epoch: int) -> tuple[float, float]:
        """How much of a class is seen, and how much of its easiest part is not."""
        if epoch < self.add_end:
            return self.initial_fraction + (1 - self.initial_fraction) * epoch / self.add_end, 0.0
        if epoch <= self.first_removal:
            return 1.0, 0.0
        return 1.0, self.first_drop if epoch <= self.second_removal else self.second_drop

    @functools.cached_property
    def _ranked(self) -> list[Tensor]:
        """Positions of every class, easy to hard; equals in the order of the images."""
        scores = self.difficulty().cpu()
        own = [torch.nonzero(self.labels == label).flatten() for label in range(int(self.labels.max()) + 1)]
        return [positions[scores[positions].argsort(stable=True)] for positions in own]
