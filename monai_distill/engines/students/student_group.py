"""Students that train together, each on its own order of images and its own schedule."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator

from .plateau import Plateau

__all__ = ["StudentGroup"]


class StudentGroup:
    """The students that still train: parameters, velocities, order of images, and when each one ends.

    Args:
        parameters: at the start [students, P], on the device that trains.
        seeds: one per student; order and augmentation follow from it.
        steps: the longest schedule; the learning rate drops after half of it.
        plateau: the rule by which a learning rate drops earlier; its student ends after twice as many steps.
            None for no such rule.

    Attributes:
        parameters: of the running students [running, P].
        velocity: of their momentum [running, P].
        generators: one per running student.
        seeds: one per running student.
        finished: parameters of all students [students, P], valid when all have ended.

    Example:
        >>> group = StudentGroup(torch.zeros(2, 3), [1, 2], 4, Plateau(window=1))
        >>> group.is_done(0, torch.tensor([0.001, 2.0])), group.lrs(1, 0.5, 0.1).flatten().tolist()
        (False, [0.05000000074505806, 0.5])
        >>> group.is_done(1, torch.tensor([0.001, 2.0])), group.seeds
        (False, [2])
    """

    def __init__(
        self,
        parameters: Tensor,
        seeds: Sequence[int],
        steps: int,
        plateau: Plateau | None = None,
    ) -> None:
        self.seeds = list(seeds)
        self.generators = [seeded_generator(seed, "student") for seed in seeds]
        self.parameters = parameters
        self.velocity = torch.zeros_like(self.parameters)
        self.finished = torch.empty_like(self.parameters)
        self._steps = steps
        self._plateau = plateau
        self._queues: list[Tensor] = [torch.empty(0, dtype=torch.long)] * len(self.seeds)
        self._places = list(range(len(self.seeds)))
        self._drops = [-(-steps // 2)] * len(self.seeds)  # steps before the learning rate drops
        self._means: list[list[float]] = [[] for _ in self.seeds]  # losses of the windows
        self._window: list[Tensor] = []

    def rows(self, count: int, batch_size: int) -> Tensor:
        """Positions [running, batch] of the next images of every running student, of ``count`` images."""
        self._queues = [
            _filled(queue, count, batch_size, generator)
            for queue, generator in zip(self._queues, self.generators, strict=True)
        ]
        rows = torch.stack([queue[:batch_size] for queue in self._queues])
        self._queues = [queue[batch_size:] for queue in self._queues]
        return rows.to(self.parameters.device, non_blocking=True)

    def lrs(self, step: int, lr: float, drop: float) -> Tensor:
        """The learning rate of every running student at a step [running, 1]."""
        values = [lr * (drop if step >= dropped else 1.0) for dropped in self._drops]
        return torch.tensor(values, dtype=self.parameters.dtype).to(self.parameters.device, non_blocking=True)[:, None]

    def is_done(self, step: int, losses: Tensor) -> bool:
        """Record the losses [running] of a step and take out the students that end with it: whether none is left."""
        if self._plateau is not None:
            self._window.append(losses)
            if len(self._window) == self._plateau.window:
                self._find_plateaus(step + 1, torch.stack(self._window).mean(dim=0).tolist())
        ends = [min(2 * dropped, self._steps) for dropped in self._drops]
        if step + 1 >= min(ends):
            self._take_out([i for i, end in enumerate(ends) if step + 1 >= end])
        return not self._places

    def _find_plateaus(self, steps: int, means: Sequence[float]) -> None:
        self._window = []
        for i, mean in enumerate(means):
            self._means[i].append(mean)
            if self._plateau is not None and steps < self._drops[i] and self._plateau.reached(self._means[i]):
                self._drops[i] = steps

    def _take_out(self, ending: Sequence[int]) -> None:
        left = [i for i in range(len(self._places)) if i not in ending]
        for i in ending:
            self.finished[self._places[i]] = self.parameters[i]
        self.parameters, self.velocity = self.parameters[left], self.velocity[left]
        self._window = [losses[left] for losses in self._window]
        self.seeds, self.generators = [self.seeds[i] for i in left], [self.generators[i] for i in left]
        self._queues, self._places = [self._queues[i] for i in left], [self._places[i] for i in left]
        self._drops, self._means = [self._drops[i] for i in left], [self._means[i] for i in left]


def _filled(queue: Tensor, count: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """A queue of image numbers with at least one batch, or all numbers if they are fewer."""
    if count <= batch_size:
        return torch.arange(count)  # the whole set: its order does not matter
    while len(queue) < batch_size:
        queue = torch.cat([queue, torch.randperm(count, generator=generator)])
    return queue
