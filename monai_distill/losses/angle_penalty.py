"""How much the student's way bends otherwise than the expert's."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .expert_piece import ExpertPiece

__all__ = ["AnglePenalty", "angle_matrix"]


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

    Half-way is state N // 2 of the student and what the piece gives as ``middle`` (epoch t + M // 2) of the expert.

    References:
        Dong et al., High-Order Progressive Trajectory Matching for Medical Image Dataset Distillation, MICCAI 2025.

    Args:
        weight: factor of the penalty.

    Raises:
        ValueError: from ``forward`` when the piece has no middle.

    Example:
        >>> from types import SimpleNamespace
        >>> way = [torch.zeros(2), torch.tensor([1.0, 0.0]), torch.ones(2)]
        >>> piece = SimpleNamespace(start=way[0], middle=way[1], target=way[2])
        >>> AnglePenalty()(way, piece)
        tensor(0.)
    """

    def __init__(self, weight: float = 0.5) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, states: Sequence[Tensor], piece: ExpertPiece) -> Tensor:
        """Return the weighted penalty, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        if piece.middle is None:
            raise ValueError("Expected a segment with its middle, got none. Give the SegmentSampler middle=True.")
        student = angle_matrix([states[0], states[(len(states) - 1) // 2], states[-1]])
        expert = angle_matrix([piece.start, piece.middle, piece.target])
        return self.weight * F.smooth_l1_loss(student, expert)
