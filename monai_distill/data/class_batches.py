"""Batches of real images of every class, indexed by iteration."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.randomness import seeded_generator

from .class_bank import ClassBank

__all__ = ["ClassBatch", "ClassBatches", "NoisyClassMeans"]


class NoisyClassMeans(NamedTuple):
    """Noisy class means [classes, F] of the images in one of several fixed views; ``view`` is its number.

    Example:
        >>> import torch
        >>> NoisyClassMeans(iteration=5, view=1, means=torch.zeros(2, 3)).view
        1
    """

    iteration: int
    view: int
    means: Tensor


class ClassBatch(NamedTuple):
    """Real images [n, channels, *spatial] and labels [n], class after class; ``counts`` has one entry per class.

    The images are read by index: a tensor, or the stored pixels of a batch, of which a part at a time is prepared.
    """

    iteration: int
    images: Images
    labels: Tensor
    counts: tuple[int, ...]


class ClassBatches:
    """Deterministic batches of random images of every class: ``batches[i]`` depends on the seed and ``i`` alone.

    References:
        Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023,
        https://arxiv.org/abs/2110.04181, algorithm 1.

    Deviation: a class smaller than the batch contributes each of its images once, and the other classes fill their
    batches (the originals crash or repeat images). With ``equal`` such a class repeats its images, each once before any
    comes twice, so that the classes can be stacked.

    Args:
        bank: the training images.
        batch_per_class: images per class in a batch: at most, or exactly with ``equal``.
        seed: seed of the run.
        equal: whether a class smaller than the batch repeats images.

    Raises:
        ValueError: if ``batch_per_class`` is below 1 or a class has no images.

    Example:
        >>> bank = ClassBank(torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 1, 1]), ["rare", "common"])
        >>> ClassBatches(bank, 2, seed=0)[7].labels
        tensor([0, 1, 1])
        >>> ClassBatches(bank, 2, seed=0, equal=True)[7].labels
        tensor([0, 0, 1, 1])
    """

    def __init__(self, bank: ClassBank, batch_per_class: int, *, seed: int, equal: bool = False) -> None:
        if batch_per_class < 1:
            raise ValueError(f"Expected batch_per_class of at least 1, got {batch_per_class}.")
        empty = [name for name, count in zip(bank.class_names, bank.counts, strict=True) if not count]
        if empty:
            raise ValueError(f"Expected training images of every class, got none of {empty}. Drop these classes.")
        self.bank = bank
        self.counts = tuple(batch_per_class if equal else min(batch_per_class, count) for count in bank.counts)
        self.seed = seed

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs: none."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""

    def __getitem__(self, iteration: int) -> ClassBatch:
        generator = seeded_generator(self.seed, "class batch", iteration)
        rows = torch.cat([self.bank.draw_indices(c, count, generator) for c, count in enumerate(self.counts)])
        return ClassBatch(iteration, self.bank.batch(rows), self.bank.labels[rows], self.counts)
