"""ATT's loss: match the student step nearest to the expert, instead of the last step."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .mtt_loss import TrajectorySegment, relative_distance

__all__ = ["NearestStepLoss"]


class NearestStepLoss(nn.Module):
    """The trajectory matching loss of the student state, from the first step on, that is nearest to the target.

    No gradient passes through the choice. Of equally near states the latest is taken. The gradient passes through the
    chosen number of steps only (see :func:`monai_distill.engines.distillation.unroll.unrolled_gradient`).

    References:
        ATT: Liu et al., Dataset Distillation by Automatic Training Trajectories, ECCV 2024,
        https://arxiv.org/abs/2407.14245.

    Deviation: the search has no start value. The start value of the released program, 10000, leaves the step undefined
    for large networks. A state that is not finite is never the nearest one.

    Args:
        norm: of the distance that chooses the step: 1 as in the released program, 2 as in the paper.

    Raises:
        ValueError: if ``norm`` is neither 1 nor 2.

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
            raise ValueError(
                f"Expected norm 1 (the released program) or 2 (the paper), got {norm!r}. Choose one of them."
            )
        self.norm = norm

    def chosen(self, states: Sequence[Tensor], target: Tensor) -> int:
        """The number of the state [P], from 1, that lies nearest to ``target``; the latest of equals."""
        with torch.no_grad():
            distances = torch.stack([torch.linalg.vector_norm(s - target, ord=self.norm) for s in states[1:]])
        # A diverged student counts as infinitely far. One transfer for all; min() takes the first of equal distances.
        latest_first = distances.nan_to_num(torch.inf, posinf=torch.inf).flip(0).tolist()
        return len(latest_first) - latest_first.index(min(latest_first))

    def forward(self, states: Sequence[Tensor], segment: TrajectorySegment) -> Tensor:
        """Return the loss, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        return relative_distance(states[self.chosen(states, segment.target)], segment)
