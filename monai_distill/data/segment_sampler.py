"""Which piece of which expert's trajectory a distillation step works on."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from monai_distill.randomness import seeded_generator

from .trajectory_store import TrajectoryStore

__all__ = ["Segment", "SegmentSampler"]


class Segment(NamedTuple):
    """A piece of a trajectory: an expert's parameters at one epoch and some epochs later."""

    iteration: int
    expert: int
    epoch: int
    start: Tensor
    target: Tensor


class SegmentSampler:
    """Draws segments by iteration number: ``sampler[i]`` is the same whenever and wherever it is asked for.

    Experts come in shuffled rounds, start epochs uniformly from 0 to ``max_start_epoch - 1`` (T+ of the papers is
    exclusive).

    References:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022, algorithm 1.

    Args:
        store: the experts' trajectories.
        max_start_epoch: the first start epoch that is never drawn (T+).
        expert_epochs: epochs from start to target (M).
        seed: seed of the run.
        device: where the segments are put.

    Raises:
        ValueError: when the store does not keep the epochs that could be drawn.

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
    ) -> None:
        needed = max_start_epoch + expert_epochs
        if max_start_epoch < 1 or expert_epochs < 1 or needed > store.shape[1]:
            raise ValueError(
                f"Expected max_start_epoch and expert_epochs of at least 1 whose sum is at most {store.shape[1]} "
                "(the snapshots "
                f"kept), got {max_start_epoch} and {expert_epochs}. Train the experts for at least {needed - 1} epochs."
            )
        self.store = store
        self.max_start_epoch = max_start_epoch
        self.expert_epochs = expert_epochs
        self.seed = seed
        self.device = device

    def __getitem__(self, iteration: int) -> Segment:
        round_number, place = divmod(iteration, self.store.shape[0])
        order = torch.randperm(self.store.shape[0], generator=seeded_generator(self.seed, "expert order", round_number))
        expert = int(order[place])
        generator = seeded_generator(self.seed, "start epoch", iteration)
        epoch = int(torch.randint(self.max_start_epoch, (1,), generator=generator))
        start, target = self.store.segment(expert, epoch, epoch + self.expert_epochs, self.device)
        return Segment(iteration, expert, epoch, start, target)
