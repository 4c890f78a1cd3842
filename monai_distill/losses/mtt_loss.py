"""The distance between where a student ended and where its expert went, in units of how far the expert went."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

__all__ = ["TrajectoryMatchingLoss", "TrajectorySegment", "relative_distance"]


class TrajectorySegment(Protocol):
    """A segment of an expert's trajectory; ``monai_distill.data.Segment`` is one, and so is anything alike.

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
        """The outer iteration, from 0, for losses that change on the way."""

    @property
    def start(self) -> Tensor:
        """The expert's parameters [P] from which the student set out."""

    @property
    def target(self) -> Tensor:
        """The expert's parameters [P] some epochs later."""

    @property
    def middle(self) -> Tensor | None:
        """The expert's parameters [P] half-way, for losses that look at them."""


def relative_distance(state: Tensor, segment: TrajectorySegment, mask: Tensor | None = None) -> Tensor:
    """``|state - target|^2 / |start - target|^2``, both over the parameters that ``mask`` keeps.

    A mask that keeps nothing, or only parameters that the expert left where they were, has no length to divide by: then
    all parameters count, as without a mask.

    Args:
        state: the student's parameters [P].
        segment: what the expert did.
        mask: bool [P], True where a parameter counts; None for all.

    Raises:
        ValueError: when start and target are the same point.

    Example:
        >>> from types import SimpleNamespace
        >>> segment = SimpleNamespace(start=torch.zeros(2), target=torch.tensor([1.0, 2.0]))
        >>> masks = (None, torch.tensor([False, True]))
        >>> [float(relative_distance(torch.tensor([1.0, 1.0]), segment, mask)) for mask in masks]
        [0.20000000298023224, 0.25]
    """
    way, error = (segment.start - segment.target).square(), (state - segment.target).square()
    if not way.sum() > 0:
        raise ValueError("The expert did not move between start and target: its snapshots are equal. Train it anew.")
    if mask is None or not (way * mask).sum() > 0:
        return error.sum() / way.sum()
    return torch.where(mask, error, 0).sum() / torch.where(mask, way, 0).sum()


class TrajectoryMatchingLoss(nn.Module):
    """Squared distance of the last student state to the expert's target, divided by the length of the expert's own way.

    ``|theta_N - theta*|^2 / |theta_0 - theta*|^2``: 1 for a student that has not moved, 0 for one that arrived.
    Without the division the image learning rates of the literature mean nothing.

    References:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022, eq. 2.

    Raises:
        ValueError: from ``forward`` when start and target are the same point.

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
            segment: what the expert did.
        """
        return relative_distance(states[-1], segment)
