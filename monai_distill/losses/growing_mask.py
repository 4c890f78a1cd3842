"""Matching the parameters that are easy to match first, and more of them as the distillation goes on."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_distill import processes

from .expert_piece import ExpertPiece
from .trajectory_matching import relative_distance

__all__ = ["GrowingMaskLoss"]


class GrowingMaskLoss:
    """The trajectory matching loss over the parameters whose squared error was ever below a threshold that grows.

    A parameter joins once its error is below ``base * growth ** (iteration // every)`` and stays. As long as none has
    joined, all count, as without a mask (the released program then divides 0 by 0), and likewise where the expert has
    moved none of those that have. Where an iteration has several pieces, in one process or several, each is compared
    over what joined in earlier iterations and its own.

    References:
        Dong et al., High-Order Progressive Trajectory Matching for Medical Image Dataset Distillation, MICCAI 2025.

    Args:
        base: threshold of the first iterations, in squared parameter units.
        growth: factor of the threshold, at least 1.
        every: iterations between two growths.
        penalty: function of (states, piece) to a scalar that is added, such as :class:`AnglePenalty`; None for none.

    Raises:
        ValueError: when base is not above 0, growth below 1 or every below 1.

    Example:
        >>> from types import SimpleNamespace
        >>> piece = SimpleNamespace(iteration=0, start=torch.zeros(2), target=torch.ones(2))
        >>> loss = GrowingMaskLoss(base=0.1, growth=2.0, every=1)
        >>> loss([piece.start, torch.tensor([0.8, 0.5])], piece), loss.mask
        (tensor(0.0400), tensor([ True, False]))
    """

    def __init__(
        self,
        *,
        base: float,
        growth: float,
        every: int = 500,
        penalty: Callable[[Sequence[Tensor], ExpertPiece], Tensor] | None = None,
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

    def __call__(self, states: Sequence[Tensor], piece: ExpertPiece) -> Tensor:
        """Let the mask grow and return the loss, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        with torch.no_grad():  # asking twice at one iteration changes nothing: an iteration may be done again
            if piece.iteration != self._iteration:
                self._before, self._iteration = self.mask, piece.iteration
            # a tensor, because Python's power raises where the threshold is larger than any number
            growth = torch.tensor(self.growth, dtype=torch.float64) ** (piece.iteration // self.every)
            threshold = self.base * float(growth)
            easy = (states[-1] - piece.target).square() < threshold
            joined = processes.anywhere(easy)
            self.mask = joined if self.mask is None else joined | self.mask.to(easy.device)
            compared = easy if self._before is None else easy | self._before.to(easy.device)
        loss = relative_distance(states[-1], piece, compared)
        return loss if self.penalty is None else loss + self.penalty(states, piece)

    def state_dict(self) -> dict[str, Any]:
        """What an exact resume needs."""
        return {"mask": self.mask}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self.mask, self._iteration = state["mask"], -1
