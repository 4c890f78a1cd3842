"""Which piece of which expert's trajectory a distillation step works on."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from monai_distill.runtime import processes
from monai_distill.runtime.randomness import seeded_generator

from .trajectory_store import TrajectoryStore

__all__ = ["Segment", "SegmentSampler", "SegmentShare"]


class SegmentShare:
    """The sampler's segments by iteration number, dealt out to the processes of the job: to a single one all of them.

    What is drawn for an iteration does not depend on how many processes there are; who computes it does.

    Args:
        sampler: draws ``per_step`` segments for every iteration.

    Raises:
        ValueError: when the processes cannot have equally many.

    Example:
        >>> import tempfile, torch
        >>> from monai_distill.data import TrajectoryStore
        >>> store = TrajectoryStore(tempfile.mkdtemp(), {}, experts=1, snapshots=3, parameters=2)
        >>> store.write(0, torch.arange(6.0).reshape(3, 2), [])
        >>> share = SegmentShare(SegmentSampler(store, max_start_epoch=1, expert_epochs=2, seed=0, per_step=3))
        >>> [segment.place for segment in share[5]]
        [0, 1, 2]
    """

    def __init__(self, sampler: SegmentSampler) -> None:
        processes.even_share(sampler.per_step, "segments_per_step")
        self.sampler = sampler

    def __getitem__(self, iteration: int) -> list[Segment]:
        own = range(self.sampler.per_step)[processes.rank() :: processes.count()]
        return [self.sampler.segment(iteration, place) for place in own]


class Segment(NamedTuple):
    """A piece of a trajectory: an expert's parameters at one epoch, some epochs later and, when asked for, between.

    ``place`` tells the segments of one iteration apart.
    """

    iteration: int
    expert: int
    epoch: int
    start: Tensor
    target: Tensor
    middle: Tensor | None = None
    place: int = 0


class SegmentSampler:
    """Draws segments by iteration number: ``sampler[i]`` is the same whenever and wherever it is asked for.

    Experts come in shuffled rounds, start epochs uniformly from ``min_start_epoch`` to an upper bound minus one (the
    bounds T+ of the papers are exclusive). The bound may grow linearly with the iterations.

    References:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022, algorithm 1. Guo et al.,
        Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory Matching, ICLR 2024 (window and ramp).

    Args:
        store: the experts' trajectories.
        max_start_epoch: the first start epoch that is never drawn (T+).
        expert_epochs: epochs from start to target (M).
        seed: seed of the run.
        device: where the segments are put.
        min_start_epoch: the first start epoch that is drawn (T-).
        first_max_start_epoch: the upper bound at iteration 0; None for T+ from the beginning.
        ramp_iterations: the iteration at which the upper bound has grown to T+; 0 for no ramp.
        middle: whether segments hold the parameters M // 2 epochs after the start, too.
        per_step: segments of every iteration; ``sampler[i]`` is the first, :meth:`segment` gives all.

    Raises:
        ValueError: when the store does not keep the epochs that could be drawn, the window is empty or half a ramp is
            given.

    Example:
        >>> import tempfile
        >>> store = TrajectoryStore(tempfile.mkdtemp(), {}, experts=1, snapshots=3, parameters=2)
        >>> store.write(0, torch.arange(6.0).reshape(3, 2), [])
        >>> SegmentSampler(store, max_start_epoch=1, expert_epochs=2, seed=0)[5].target
        tensor([4., 5.])
    """

    def __init__(
        self,
        store: TrajectoryStore,
        *,
        max_start_epoch: int,
        expert_epochs: int,
        seed: int,
        device: torch.device | str = "cpu",
        min_start_epoch: int = 0,
        first_max_start_epoch: int | None = None,
        ramp_iterations: int = 0,
        middle: bool = False,
        per_step: int = 1,
    ) -> None:
        needed = max_start_epoch + expert_epochs
        if max_start_epoch < 1 or expert_epochs < 1 or needed > store.shape[1]:
            raise ValueError(
                f"Expected max_start_epoch and expert_epochs of at least 1 whose sum is at most {store.shape[1]} "
                "(the snapshots "
                f"kept), got {max_start_epoch} and {expert_epochs}. Train the experts for at least {needed - 1} epochs."
            )
        first = max_start_epoch if first_max_start_epoch is None else first_max_start_epoch
        if not 0 <= min_start_epoch < first <= max_start_epoch:
            raise ValueError(
                "Expected 0 <= min_start_epoch < first_max_start_epoch <= max_start_epoch (upper bounds are "
                f"exclusive), got {min_start_epoch}, {first_max_start_epoch} and {max_start_epoch}."
            )
        if (first_max_start_epoch is not None) != (ramp_iterations > 0) or ramp_iterations < 0:
            raise ValueError(
                "Expected first_max_start_epoch and ramp_iterations (above 0) together or neither, got "
                f"{first_max_start_epoch} and {ramp_iterations}."
            )
        if per_step < 1:
            raise ValueError(f"Expected at least 1 segment per iteration, got {per_step}.")
        self.store = store
        self.min_start_epoch = min_start_epoch
        self.first_max_start_epoch = first
        self.max_start_epoch = max_start_epoch
        self.ramp_iterations = ramp_iterations
        self.expert_epochs = expert_epochs
        self.middle = middle
        self.per_step = per_step
        self.seed = seed
        self.device = device

    def bound(self, iteration: int) -> int:
        """The first start epoch that is not drawn at ``iteration``."""
        if not self.ramp_iterations:
            return self.max_start_epoch
        grown = (self.max_start_epoch - self.first_max_start_epoch) * iteration // self.ramp_iterations
        return min(self.max_start_epoch, self.first_max_start_epoch + grown)

    def __getitem__(self, iteration: int) -> Segment:
        return self.segment(iteration, 0)

    def segment(self, iteration: int, place: int) -> Segment:
        """Number ``place`` of the segments of an iteration; experts come in rounds over all of them."""
        draw = iteration * self.per_step + place
        round_number, turn = divmod(draw, self.store.shape[0])
        order = torch.randperm(self.store.shape[0], generator=seeded_generator(self.seed, "expert order", round_number))
        expert = int(order[turn])
        generator = seeded_generator(self.seed, "start epoch", draw)
        epoch = int(torch.randint(self.min_start_epoch, self.bound(iteration), (1,), generator=generator))
        start, target = self.store.segment(expert, epoch, epoch + self.expert_epochs, self.device)
        half_way = epoch + self.expert_epochs // 2
        middle = self.store.snapshot(expert, half_way, self.device) if self.middle else None
        return Segment(iteration, expert, epoch, start, target, middle, place)
