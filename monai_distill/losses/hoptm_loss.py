"""Matching the parameters that are easy to match first, and more of them as the distillation goes on."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.runtime import processes

from .mtt_loss import TrajectorySegment, relative_distance

__all__ = ["AnglePenalty", "GrowingMaskLoss", "angle_matrix"]


def angle_matrix(points: Sequence[Tensor]) -> Tensor:
    """Cosines of all angles between points: entry [i, j, k] at the corner i between the directions to j and to k.

    References:
        Park et al., Relational Knowledge Distillation, CVPR 2019 (angle potential).

    Args:
        points: n vectors of one length.

    Returns:
        [n, n, n], 0 where j or k is the corner itself or lies on it.

    Example:
        >>> corner, right, up = torch.zeros(2), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0])
        >>> angle_matrix([corner, right, up])[0].tolist()
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    stack = torch.stack(list(points))
    directions = F.normalize(stack[None] - stack[:, None], dim=2)
    return directions @ directions.transpose(1, 2)


class AnglePenalty(nn.Module):
    """Smooth L1 distance between the angles of student and expert, each at its start, half-way and at its end.

    Half-way is state N // 2 of the student and what the segment gives as ``middle`` (epoch t + M // 2) of the expert.

    References:
        Dong et al., High-Order Progressive Trajectory Matching for Medical Image Dataset Distillation, MICCAI 2025.

    Args:
        weight: factor of the penalty.

    Raises:
        ValueError: from ``forward`` when the segment has no middle.

    Example:
        >>> from types import SimpleNamespace
        >>> way = [torch.zeros(2), torch.tensor([1.0, 0.0]), torch.ones(2)]
        >>> segment = SimpleNamespace(start=way[0], middle=way[1], target=way[2])
        >>> AnglePenalty()(way, segment)
        tensor(0.)
    """

    def __init__(self, weight: float = 0.5) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, states: Sequence[Tensor], segment: TrajectorySegment) -> Tensor:
        """Return the weighted penalty, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        if segment.middle is None:
            raise ValueError("Expected a segment with its middle, got none. Give the SegmentSampler middle=True.")
        student = angle_matrix([states[0], states[(len(states) - 1) // 2], states[-1]])
        expert = angle_matrix([segment.start, segment.middle, segment.target])
        return self.weight * F.smooth_l1_loss(student, expert)


class GrowingMaskLoss:
    """The trajectory matching loss over the parameters whose squared error was ever below a threshold that grows.

    A parameter joins once its error is below ``base * growth ** (iteration // every)`` and stays. As long as none has
    joined, all count, as without a mask (the released program then divides 0 by 0), and likewise where the expert has
    moved none of those that have. Where an iteration has several segments, in one process or several, each is compared
    over what joined in earlier iterations and its own.

    References:
        Dong et al., High-Order Progressive Trajectory Matching for Medical Image Dataset Distillation, MICCAI 2025.

    Args:
        base: threshold of the first iterations, in squared parameter units.
        growth: factor of the threshold, at least 1.
        every: iterations between two growths.
        penalty: function of (states, segment) to a scalar that is added, such as :class:`AnglePenalty`; None for none.

    Raises:
        ValueError: when base is not above 0, growth below 1 or every below 1.

    Example:
        >>> from types import SimpleNamespace
        >>> segment = SimpleNamespace(iteration=0, start=torch.zeros(2), target=torch.ones(2))
        >>> loss = GrowingMaskLoss(base=0.1, growth=2.0, every=1)
        >>> loss([segment.start, torch.tensor([0.8, 0.5])], segment), loss.mask
        (tensor(0.0400), tensor([ True, False]))
    """

    def __init__(
        self,
        *,
        base: float,
        growth: float,
        every: int = 500,
        penalty: Callable[[Sequence[Tensor], TrajectorySegment], Tensor] | None = None,
    ) -> None:
        if not (base > 0 and growth >= 1 and every >= 1):
            raise ValueError(
                f"Expected base above 0, growth and every of at least 1, got {base}, {growth} and {every}."
            )
        self.base = base
        self.growth = growth
        self.every = every
        self.penalty = penalty
        self.mask: Tensor | None = None
        self._before: Tensor | None = None  # what had joined when the iteration began
        self._iteration = -1

    def __call__(self, states: Sequence[Tensor], segment: TrajectorySegment) -> Tensor:
        """Let the mask grow and return the loss, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        with torch.no_grad():  # asking twice at one iteration changes nothing: an iteration may be done again
            if segment.iteration != self._iteration:
                self._before, self._iteration = self.mask, segment.iteration
            # a tensor, because Python's power raises where the threshold is larger than any number
            growth = torch.tensor(self.growth, dtype=torch.float64) ** (segment.iteration // self.every)
            threshold = self.base * float(growth)
            easy = (states[-1] - segment.target).square() < threshold
            joined = processes.anywhere(easy)
            self.mask = joined if self.mask is None else joined | self.mask.to(easy.device)
            compared = easy if self._before is None else easy | self._before.to(easy.device)
        loss = relative_distance(states[-1], segment, compared)
        return loss if self.penalty is None else loss + self.penalty(states, segment)

    def state_dict(self) -> dict[str, Any]:
        """What an exact resume needs."""
        return {"mask": self.mask}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self.mask, self._iteration = state["mask"], -1
