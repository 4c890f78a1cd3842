"""What a matching loss is told of the expert: a piece of its trajectory."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Protocol

from torch import Tensor

__all__ = ["ExpertPiece"]


class ExpertPiece(Protocol):
    """A piece of an expert's trajectory; ``monai_distill.data.Segment`` is one, and so is anything alike.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> from monai_distill.losses import TrajectoryMatchingLoss
        >>> piece = SimpleNamespace(iteration=0, start=torch.zeros(2), target=torch.ones(2), middle=None)
        >>> TrajectoryMatchingLoss()([piece.start, piece.start], piece)
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
