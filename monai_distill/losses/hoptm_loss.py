"""HoP-TM's loss: match the easy parameters first and more of them over time, with a penalty on angles."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.runtime.processes import exchange
from monai_distill.runtime.validation import require_in_interval, require_positive_int

from .mtt_loss import TrajectorySegment, relative_distance

__all__ = ["AnglePenalty", "GrowingMaskLoss", "angle_matrix"]


def angle_matrix(points: Sequence[Tensor]) -> Tensor:
    """Cosines of the angles between points: entry [i, j, k] is at corner i, between the directions to j and to k.

    References:
        Park et al., Relational Knowledge Distillation, CVPR 2019, https://arxiv.org/abs/1904.05068 (angle potential).

    Args:
        points: n vectors of one length.

    Returns:
        [n, n, n]; 0 where j or k equals the corner.

    Example:
        >>> corner, right, up = torch.zeros(2), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0])
        >>> angle_matrix([corner, right, up])[0].tolist()
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    stack = torch.stack(list(points))
    directions = F.normalize(stack[None] - stack[:, None], dim=2)
    return directions @ directions.transpose(1, 2)


class AnglePenalty(nn.Module):
    """Smooth L1 distance between the angles of two triangles: start, middle and end of the student and of the expert.

    The middle is state N // 2 of the student and ``segment.middle`` (epoch t + M // 2) of the expert.

    References:
        HoP-TM: Dong et al., High-Order Progressive Trajectory Matching for Medical Image Dataset Distillation, MICCAI
        2025, https://arxiv.org/abs/2509.24177 (shape-wise potential).

    Deviation: none from the released program.

    Args:
        weight: factor of the penalty.

    Raises:
        ValueError: from ``forward``, if the segment has no middle.

    Example:
        >>> from types import SimpleNamespace
        >>> path = [torch.zeros(2), torch.tensor([1.0, 0.0]), torch.ones(2)]
        >>> segment = SimpleNamespace(start=path[0], middle=path[1], target=path[2])
        >>> AnglePenalty()(path, segment)
        tensor(0.)
    """

    def __init__(self, weight: float = 0.5) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, states: Sequence[Tensor], segment: TrajectorySegment) -> Tensor:
        """Return the weighted penalty, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        if segment.middle is None:
            raise ValueError("Expected a segment with a middle, got one without. Give the SegmentSampler middle=True.")
        student = angle_matrix([states[0], states[(len(states) - 1) // 2], states[-1]])
        expert = angle_matrix([segment.start, segment.middle, segment.target])
        return self.weight * F.smooth_l1_loss(student, expert)


class GrowingMaskLoss:
    """The trajectory matching loss over the parameters whose squared error was ever below a growing threshold.

    A parameter joins the mask once its error is below ``base * growth ** (iteration // every)``; it never leaves. If an
    iteration has several segments, in one process or in several, each is compared over the parameters that joined in
    earlier iterations and those that join for this segment.

    References:
        HoP-TM: Dong et al., High-Order Progressive Trajectory Matching for Medical Image Dataset Distillation, MICCAI
        2025, https://arxiv.org/abs/2509.24177 (easy-to-complex matching).

    Deviation: while the mask is empty, or the expert moved none of its parameters, all parameters count (the released
    program then divides 0 by 0).

    Args:
        base: threshold of the first iterations, in squared parameter units.
        growth: factor of the threshold, at least 1.
        every: iterations between two growths.
        penalty: function of (states, segment) to a scalar that is added, such as :class:`AnglePenalty`; None for none.

    Raises:
        ValueError: if ``base`` is not above 0, or ``growth`` or ``every`` is below 1.

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
        require_in_interval("(0, inf)", base=base)
        require_in_interval("[1, inf)", growth=growth)
        require_positive_int(every=every)
        self.base = base
        self.growth = growth
        self.every = every
        self.penalty = penalty
        self.mask: Tensor | None = None
        self._before: Tensor | None = None  # the mask at the begin of the iteration
        self._iteration = -1

    def __call__(self, states: Sequence[Tensor], segment: TrajectorySegment) -> Tensor:
        """Extend the mask and return the loss, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        with torch.no_grad():  # a second call for one iteration changes nothing: a resumed run may repeat it
            if segment.iteration != self._iteration:
                self._before, self._iteration = self.mask, segment.iteration
            # a tensor, because the power of Python floats raises an error where it overflows
            growth = torch.tensor(self.growth, dtype=torch.float64) ** (segment.iteration // self.every)
            threshold = self.base * float(growth)
            easy = (states[-1] - segment.target).square() < threshold
            joined = exchange.anywhere(easy)
            self.mask = joined if self.mask is None else joined | self.mask.to(easy.device)
            compared = easy if self._before is None else easy | self._before.to(easy.device)
        loss = relative_distance(states[-1], segment, compared)
        return loss if self.penalty is None else loss + self.penalty(states, segment)

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs."""
        return {"mask": self.mask}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""
        self.mask, self._iteration = state["mask"], -1
