"""Segments of expert trajectories for distillation steps, indexed by iteration."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from monai_distill.runtime.processes import group
from monai_distill.runtime.randomness import seeded_generator

from .trajectory_store import TrajectoryStore

__all__ = ["Segment", "SegmentSampler", "SegmentShare", "StartEpochs"]


class SegmentShare:
    """Distributes the sampler's segments of every iteration over the processes of the job.

    The segments of an iteration do not depend on the number of processes; only the process that computes them does.

    Args:
        sampler: draws ``per_step`` segments for every iteration.

    Raises:
        ValueError: if the segments cannot be divided evenly among the processes.

    Example:
        >>> import tempfile, torch
        >>> from monai_distill.data import TrajectoryStore
        >>> store = TrajectoryStore(tempfile.mkdtemp(), {}, experts=1, snapshots=3, parameters=2)
        >>> store.write(0, torch.arange(6.0).reshape(3, 2), [])
        >>> share = SegmentShare(SegmentSampler(store, StartEpochs(1), expert_epochs=2, seed=0, per_step=3))
        >>> [segment.place for segment in share[5]]
        [0, 1, 2]
    """

    def __init__(self, sampler: SegmentSampler) -> None:
        group.even_share(sampler.per_step, "segments_per_step")
        self.sampler = sampler

    def __getitem__(self, iteration: int) -> list[Segment]:
        places = range(self.sampler.per_step)[group.rank() :: group.count()]
        return [self.sampler.segment(iteration, place) for place in places]


class Segment(NamedTuple):
    """A segment of a trajectory: an expert's parameters [P] at its start, at its end and, on request, half-way.

    ``place`` numbers the segments of one iteration.
    """

    iteration: int
    expert: int
    epoch: float
    start: Tensor
    target: Tensor
    middle: Tensor | None = None
    place: int = 0


@dataclass(frozen=True)
class StartEpochs:
    """The window of epochs in which segments start: uniform from the smallest to an upper bound minus one.

    DATM lets the upper bound grow linearly from ``first_max_start_epoch`` over ``ramp_iterations``.

    References:
        Guo et al., Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory Matching, ICLR 2024,
        https://arxiv.org/abs/2310.05773.

    Args:
        max_start_epoch: exclusive upper bound (T+).
        min_start_epoch: smallest start epoch (T-).
        first_max_start_epoch: the upper bound at iteration 0; None for T+ from the beginning.
        ramp_iterations: the iteration at which the upper bound has grown to T+; 0 for no ramp.

    Raises:
        ValueError: if the window is empty, or only one of ``first_max_start_epoch`` and ``ramp_iterations`` is given.

    Example:
        >>> growing = StartEpochs(20, first_max_start_epoch=10, ramp_iterations=1000)
        >>> growing.bound(0), growing.bound(500), growing.bound(2000)
        (10, 15, 20)
    """

    max_start_epoch: int
    min_start_epoch: int = 0
    first_max_start_epoch: int | None = None
    ramp_iterations: int = 0

    def __post_init__(self) -> None:
        first = self.max_start_epoch if self.first_max_start_epoch is None else self.first_max_start_epoch
        if not 0 <= self.min_start_epoch < first <= self.max_start_epoch:
            raise ValueError(
                "Expected 0 <= min_start_epoch < first_max_start_epoch <= max_start_epoch (upper bounds are "
                f"exclusive), got {self.min_start_epoch}, {self.first_max_start_epoch} and {self.max_start_epoch}."
            )
        if (self.first_max_start_epoch is not None) != (self.ramp_iterations > 0) or self.ramp_iterations < 0:
            raise ValueError(
                "Expected first_max_start_epoch and ramp_iterations (above 0) together or neither, got "
                f"{self.first_max_start_epoch} and {self.ramp_iterations}."
            )

    def bound(self, iteration: int) -> int:
        """Exclusive upper bound of the start epochs at ``iteration``."""
        if self.first_max_start_epoch is None:
            return self.max_start_epoch
        growth = self.max_start_epoch - self.first_max_start_epoch
        return min(self.max_start_epoch, self.first_max_start_epoch + growth * iteration // self.ramp_iterations)

    def epoch(self, iteration: int, generator: torch.Generator, continuous: bool) -> float:
        """A start epoch for ``iteration``: a whole number, or a real one from the first to the last of the window."""
        bound = self.bound(iteration)
        if not continuous:
            return int(torch.randint(self.min_start_epoch, bound, (1,), generator=generator))
        share = float(torch.rand(1, generator=generator))
        return self.min_start_epoch + share * (bound - 1 - self.min_start_epoch)


class SegmentSampler:
    """Deterministic segments, indexed by iteration: ``sampler[i]`` depends on the seed and ``i`` alone.

    Experts come in shuffled rounds. From :class:`~monai_distill.data.straight_trajectories.StraightTrajectories`, start
    epochs are real numbers.

    References:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
        https://arxiv.org/abs/2203.11932, algorithm 1.

    Args:
        store: the experts' trajectories.
        start_epochs: the window in which segments start.
        expert_epochs: epochs from start to target (M).
        seed: seed of the run.
        device: device of the segments.
        middle: whether segments also hold the parameters M // 2 epochs after the start.
        per_step: segments per iteration; ``sampler[i]`` is the first of them, :meth:`segment` returns any.

    Raises:
        ValueError: if the store lacks an epoch that could be drawn, or there is no segment per iteration.

    Example:
        >>> import tempfile
        >>> store = TrajectoryStore(tempfile.mkdtemp(), {}, experts=1, snapshots=3, parameters=2)
        >>> store.write(0, torch.arange(6.0).reshape(3, 2), [])
        >>> SegmentSampler(store, StartEpochs(1), expert_epochs=2, seed=0)[5].target
        tensor([4., 5.])
    """

    def __init__(
        self,
        store: TrajectoryStore,
        start_epochs: StartEpochs,
        *,
        expert_epochs: int,
        seed: int,
        device: torch.device | str = "cpu",
        middle: bool = False,
        per_step: int = 1,
    ) -> None:
        needed = start_epochs.max_start_epoch + expert_epochs
        if expert_epochs < 1 or needed > store.shape[1]:
            raise ValueError(
                f"Expected max_start_epoch and expert_epochs of at least 1 whose sum is at most {store.shape[1]} "
                f"(snapshots per expert), got {start_epochs.max_start_epoch} and {expert_epochs}. Train the "
                f"experts for at least {needed - 1} epochs."
            )
        if per_step < 1:
            raise ValueError(f"Expected at least 1 segment per iteration, got {per_step}.")
        self.store = store
        self.start_epochs = start_epochs
        self.expert_epochs = expert_epochs
        self.middle = middle
        self.per_step = per_step
        self.seed = seed
        self.device = device

    def __getitem__(self, iteration: int) -> Segment:
        return self.segment(iteration, 0)

    def segment(self, iteration: int, place: int) -> Segment:
        """Segment ``place`` of an iteration; the shuffled rounds run over all segments of all iterations."""
        number = iteration * self.per_step + place
        round_number, turn = divmod(number, self.store.shape[0])
        order = torch.randperm(self.store.shape[0], generator=seeded_generator(self.seed, "expert order", round_number))
        expert = int(order[turn])
        generator = seeded_generator(self.seed, "start epoch", number)
        epoch = self.start_epochs.epoch(iteration, generator, self.store.continuous)
        start, target = self.store.segment(expert, epoch, epoch + self.expert_epochs, self.device)
        half_way = epoch + (self.expert_epochs / 2 if self.store.continuous else self.expert_epochs // 2)
        middle = self.store.snapshot(expert, half_way, self.device) if self.middle else None
        return Segment(iteration, expert, epoch, start, target, middle, place)
