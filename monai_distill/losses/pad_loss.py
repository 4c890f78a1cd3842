"""PAD's loss: match a part of the parameters only, the deep layers or those with the largest errors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from monai_distill.runtime.validation import require_in_interval

from .mtt_loss import TrajectorySegment, relative_distance

__all__ = ["MaskedTrajectoryLoss", "deep_layers", "largest_errors", "parameter_mask"]

ParameterMask = Callable[[Tensor, TrajectorySegment], Tensor]


def deep_layers(ratio: float, shapes: Sequence[Sequence[int]]) -> ParameterMask:
    """A mask that leaves out the parameters of the shallowest layers: the mask of PAD's paper.

    A layer begins at every weight of two or more dimensions and includes the vectors after it (bias, normalization).

    References:
        PAD: Li et al., Prioritize Alignment in Dataset Distillation, 2024, https://arxiv.org/abs/2408.03360 (masking
        of shallow-layer parameters).

    Args:
        ratio: fraction of the layers left out, rounded down; the last layer is never left out.
        shapes: of the parameters, in the order of the flat vector (``FlatNetwork.shapes``).

    Raises:
        ValueError: if the ratio is not in [0, 1).

    Example:
        >>> keep = deep_layers(0.5, [(2, 1, 1, 1), (2,), (3, 2)])
        >>> keep(torch.zeros(10), None).int().tolist()
        [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    """
    require_in_interval("[0, 1)", ratio=ratio)
    sizes = [torch.Size(shape).numel() for shape in shapes]
    begins = [i for i, shape in enumerate(shapes) if len(shape) >= 2] or [0]
    first_matched = begins[int(ratio * len(begins))] if ratio else 0
    masked = sum(sizes[:first_matched])

    def mask(state: Tensor, segment: TrajectorySegment) -> Tensor:
        return torch.arange(len(state), device=state.device) >= masked

    return mask


def largest_errors(ratio: float) -> ParameterMask:
    """A mask that leaves out the parameters with the smallest squared error of every student.

    The paper describes :func:`deep_layers`; its released program uses this mask.

    References:
        PAD: Li et al., Prioritize Alignment in Dataset Distillation, 2024, https://arxiv.org/abs/2408.03360 (behavior
        of the released program).

    Args:
        ratio: fraction of the parameters left out, rounded down.

    Raises:
        ValueError: if the ratio is not in [0, 1).

    Example:
        >>> from types import SimpleNamespace
        >>> segment = SimpleNamespace(target=torch.zeros(4))
        >>> largest_errors(0.5)(torch.tensor([1.0, -4.0, 2.0, -3.0]), segment).int().tolist()
        [0, 1, 0, 1]
    """
    require_in_interval("[0, 1)", ratio=ratio)

    def mask(state: Tensor, segment: TrajectorySegment) -> Tensor:
        with torch.no_grad():
            order = (state - segment.target).square().argsort(stable=True)
        matched = torch.ones(len(state), dtype=torch.bool, device=state.device)
        matched[order[: int(ratio * len(state))]] = False
        return matched

    return mask


class MaskedTrajectoryLoss(nn.Module):
    """The trajectory matching loss over the parameters that a mask selects, in numerator and denominator.

    References:
        PAD: Li et al., Prioritize Alignment in Dataset Distillation, 2024, https://arxiv.org/abs/2408.03360.

    Deviation: if the mask selects no parameter, or none that the expert moved, all parameters count (see
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


def parameter_mask(name: str, ratio: float, shapes: Sequence[Sequence[int]]) -> ParameterMask:
    """The mask by its name: ``depth`` for :func:`deep_layers`, ``loss`` for :func:`largest_errors`.

    Args:
        name: ``depth`` or ``loss``.
        ratio: fraction of the layers or parameters that are left out.
        shapes: of the parameters in the order of the flat vector.

    Raises:
        ValueError: for another name, or a ratio outside [0, 1).

    Example:
        >>> parameter_mask("depth", 0.5, [(2, 1, 1, 1), (2,), (3, 2)])(torch.zeros(10), None).sum()
        tensor(6)
    """
    if name not in ("depth", "loss"):
        raise ValueError(f"Expected mask_by depth or loss, got {name!r}.")
    return deep_layers(ratio, shapes) if name == "depth" else largest_errors(ratio)
