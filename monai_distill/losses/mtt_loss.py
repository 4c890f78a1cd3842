"""MTT's loss: the student's distance to the expert's target, in units of the distance that the expert covered."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

__all__ = ["TrajectoryMatchingLoss", "TrajectorySegment", "relative_distance"]


class TrajectorySegment(Protocol):
    """A segment of an expert's trajectory, such as ``monai_distill.data.segment_sampler.Segment``.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> from monai_distill.losses import TrajectoryMatchingLoss
        >>> segment = SimpleNamespace(iteration=0, start=torch.zeros(2), target=torch.ones(2), middle=None)
        >>> TrajectoryMatchingLoss()([segment.start, segment.start], segment)
        tensor(1.)
    """

    @property
    def iteration(self) -> int:
        """The outer iteration, from 0, for losses that change over time."""

    @property
    def start(self) -> Tensor:
        """The expert's parameters [P] at which the student starts."""

    @property
    def target(self) -> Tensor:
        """The expert's parameters [P] some epochs later."""

    @property
    def middle(self) -> Tensor | None:
        """The expert's parameters [P] half-way, for losses that use them."""


def relative_distance(state: Tensor, segment: TrajectorySegment, mask: Tensor | None = None) -> Tensor:
    """``|state - target|^2 / |start - target|^2``, both over the parameters that ``mask`` selects.

    If the mask selects no parameter, or only parameters that the expert did not move, the denominator is 0. Then all
    parameters count, as without a mask.

    Args:
        state: the student's parameters [P].
        segment: start and target of the expert.
        mask: bool [P], True where a parameter counts; None for all.

    Raises:
        ValueError: if start and target are the same point.

    Example:
        >>> from types import SimpleNamespace
        >>> segment = SimpleNamespace(start=torch.zeros(2), target=torch.tensor([1.0, 2.0]))
        >>> masks = (None, torch.tensor([False, True]))
        >>> [float(relative_distance(torch.tensor([1.0, 1.0]), segment, mask)) for mask in masks]
        [0.20000000298023224, 0.25]
    """
    covered, error = (segment.start - segment.target).square(), (state - segment.target).square()
    if not covered.sum() > 0:
        raise ValueError(
            "Expected an expert that moves between start and target, got equal snapshots: it did not move. Train the "
            "experts again."
        )
    if mask is None or not (covered * mask).sum() > 0:
        return error.sum() / covered.sum()
    return torch.where(mask, error, 0).sum() / torch.where(mask, covered, 0).sum()


class TrajectoryMatchingLoss(nn.Module):
    """Squared distance of the last student state to the target, divided by that of the expert's start to the target.

    ``|theta_N - theta*|^2 / |theta_0 - theta*|^2`` is 1 for a student that has not moved and 0 for one that arrived.
    The image learning rates of the literature assume this division. FTD and TESLA use the same loss; ATT, DATM, PAD and
    HoP-TM change the state, the gate or the mask.

    References:
        MTT: Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
        https://arxiv.org/abs/2203.11932, eq. 2.

    Deviation: none.

    Raises:
        ValueError: from ``forward``, if start and target are the same point.

    Example:
        >>> from types import SimpleNamespace
        >>> segment = SimpleNamespace(start=torch.zeros(4), target=torch.ones(4))
        >>> TrajectoryMatchingLoss()([segment.start, 0.5 * segment.target], segment)
        tensor(0.2500)
    """

    def forward(self, states: Sequence[Tensor], segment: TrajectorySegment) -> Tensor:
        """Return the loss, a scalar.

        Args:
            states: the student's parameters [P] before the first and after every step.
            segment: start and target of the expert.
        """
        return relative_distance(states[-1], segment)
