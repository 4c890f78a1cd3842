"""Matching the student step that came nearest to the expert, instead of the last one."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .mtt_loss import TrajectorySegment, relative_distance

__all__ = ["NearestStepLoss"]


class NearestStepLoss(nn.Module):
    """The trajectory matching loss of that student state, from the first step on, which lies nearest to the target.

    No gradient passes through the choice; of equally near states the latest is taken. The gradient then goes back
    through the chosen number of steps only (see :func:`monai_distill.engines.distillation.unrolled_gradient`).

    References:
        Liu et al., Dataset Distillation by Automatic Training Trajectories, ECCV 2024.

    Deviation: no start value of the search. The released program's, 10000, leaves the step undefined for larger
    networks. A state that is not finite is never nearer than one that is.

    Args:
        norm: of the distance by which the step is chosen: 1 as the released program, 2 as the paper.

    Raises:
        ValueError: for another norm.

    Example:
        >>> from types import SimpleNamespace
        >>> segment = SimpleNamespace(start=torch.zeros(1), target=torch.ones(1))
        >>> states = [torch.zeros(1), torch.tensor([0.5]), torch.tensor([3.0])]
        >>> NearestStepLoss()(states, segment)
        tensor(0.2500)
    """

    def __init__(self, norm: int = 1) -> None:
        super().__init__()
        if norm not in (1, 2):
            raise ValueError(f"Expected norm 1 (the released program) or 2 (the paper), got {norm!r}.")
        self.norm = norm

    def chosen(self, states: Sequence[Tensor], target: Tensor) -> int:
        """The number of the state [P], from 1, that lies nearest to ``target``; the latest of equals."""
        with torch.no_grad():
            distances = torch.stack([torch.linalg.vector_norm(s - target, ord=self.norm) for s in states[1:]])
        # A student that is no number any more is nowhere near. One transfer, and min() takes the first of equals.
        latest_first = distances.nan_to_num(torch.inf, posinf=torch.inf).flip(0).tolist()
        return len(latest_first) - latest_first.index(min(latest_first))

    def forward(self, states: Sequence[Tensor], segment: TrajectorySegment) -> Tensor:
        """Return the loss, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        return relative_distance(states[self.chosen(states, segment.target)], segment)
