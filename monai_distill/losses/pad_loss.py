"""Matching a part of the parameters only: the deep layers, or those that are furthest from the expert's."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .mtt_loss import TrajectorySegment, relative_distance

__all__ = ["MaskedTrajectoryLoss", "deep_layers", "largest_errors"]

ParameterMask = Callable[[Tensor, TrajectorySegment], Tensor]


def _checked(ratio: float) -> float:
    if not 0 <= ratio < 1:
        raise ValueError(f"Expected a ratio of masked layers or parameters from 0 to below 1, got {ratio}.")
    return ratio


def deep_layers(ratio: float, shapes: Sequence[Sequence[int]]) -> ParameterMask:
    """A mask that leaves out the parameters of the shallowest layers: the mask of the paper.

    A layer begins at every weight of two or more dimensions and takes in what follows it (bias, normalisation).

    References:
        Li et al., Prioritize Alignment in Dataset Distillation, 2024, section on shallow-layer parameters.

    Args:
        ratio: fraction of the layers left out, rounded down; at least the last layer stays.
        shapes: of the parameters in the order of the flat vector (``FlatNetwork.shapes``).

    Raises:
        ValueError: when the ratio is not in [0, 1).

    Example:
        >>> keep = deep_layers(0.5, [(2, 1, 1, 1), (2,), (3, 2)])
        >>> keep(torch.zeros(10), None).int().tolist()
        [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    """
    sizes = [torch.Size(shape).numel() for shape in shapes]
    begins = [i for i, shape in enumerate(shapes) if len(shape) >= 2] or [0]
    first_kept = begins[int(_checked(ratio) * len(begins))] if ratio else 0
    masked = sum(sizes[:first_kept])

    def mask(state: Tensor, segment: TrajectorySegment) -> Tensor:
        return torch.arange(len(state), device=state.device) >= masked

    return mask


def largest_errors(ratio: float) -> ParameterMask:
    """A mask that leaves out the parameters with the smallest squared error, anew for every student: the released code.

    The paper's text describes :func:`deep_layers`; its released program does this.

    References:
        Li et al., Prioritize Alignment in Dataset Distillation, 2024 (behaviour of the released program).

    Args:
        ratio: fraction of the parameters left out, rounded down.

    Raises:
        ValueError: when the ratio is not in [0, 1).

    Example:
        >>> from types import SimpleNamespace
        >>> segment = SimpleNamespace(target=torch.zeros(4))
        >>> largest_errors(0.5)(torch.tensor([1.0, -4.0, 2.0, -3.0]), segment).int().tolist()
        [0, 1, 0, 1]
    """
    _checked(ratio)

    def mask(state: Tensor, segment: TrajectorySegment) -> Tensor:
        with torch.no_grad():
            order = (state - segment.target).square().argsort(stable=True)
        kept = torch.ones(len(state), dtype=torch.bool, device=state.device)
        kept[order[: int(ratio * len(state))]] = False
        return kept

    return mask


class MaskedTrajectoryLoss(nn.Module):
    """The trajectory matching loss over the parameters that a mask keeps, numerator and denominator alike.

    References:
        Li et al., Prioritize Alignment in Dataset Distillation, 2024.

    Deviation: where the kept parameters are none, or the expert has not moved them, all count (see
        :func:`relative_distance`).

    Args:
        mask: function of (last student state [P], segment) to a bool tensor [P]; no gradient passes through it.

    Example:
        >>> from types import SimpleNamespace
        >>> segment = SimpleNamespace(start=torch.zeros(2), target=torch.tensor([1.0, 2.0]))
        >>> MaskedTrajectoryLoss(largest_errors(0.5))([segment.start, torch.ones(2)], segment)
        tensor(0.2500)
    """

    def __init__(self, mask: ParameterMask) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, states: Sequence[Tensor], segment: TrajectorySegment) -> Tensor:
        """Return the loss, a scalar; see :class:`TrajectoryMatchingLoss` for the arguments."""
        return relative_distance(states[-1], segment, self.mask(states[-1], segment))
