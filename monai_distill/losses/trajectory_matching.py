"""The distance between where a student ended and where its expert went, in units of how far the expert went."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["TrajectoryMatchingLoss"]


class TrajectoryMatchingLoss(nn.Module):
    """Squared distance of the last student state to the expert's target, divided by the length of the expert's own way.

    ``|theta_N - theta*|^2 / |theta_0 - theta*|^2``: 1 for a student that has not moved, 0 for one that arrived.
    Without the division the image step sizes of the literature mean nothing.

    References:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022, eq. 2.

    Raises:
        ValueError: from ``forward`` when start and target are the same point.

    Example:
        >>> import torch
        >>> start, target = torch.zeros(4), torch.ones(4)
        >>> TrajectoryMatchingLoss()([start, 0.5 * target], start, target)
        tensor(0.2500)
    """

    def forward(self, states: Sequence[Tensor], start: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            states: the student's parameters [P] before the first and after every step.
            start: the expert's parameters [P] from which the student set out.
            target: the expert's parameters [P] some epochs later.
        """
        way = (start - target).square().sum()
        if not way > 0:
            raise ValueError(
                "The expert did not move between start and target: its snapshots are equal. Train it anew."
            )
        return (states[-1] - target).square().sum() / way
