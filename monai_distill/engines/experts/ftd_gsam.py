"""FTD's expert step (GSAM): experts in flat regions, where a student's accumulated error does less harm."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from monai_distill.runtime.validation import require_in_interval

__all__ = ["FlatDirection"]

TINY = 1e-12


class FlatDirection:
    """Direction of an SGD step that seeks flat minima; a ``direction`` of :class:`ExpertProtocol`.

    With the gradient ``g`` at theta, the gradient ``g'`` at ``theta + e`` is taken, where
    ``e = rho theta^2 g / | |theta| g |`` (adaptive) or ``e = rho g / |g|``. The direction is ``g'`` minus ``strength``
    times the part of ``g`` that is perpendicular to ``g'``. Both gradients see the same augmented batch; a step costs
    two gradients.

    References:
        FTD: Du et al., Minimizing the Accumulated Trajectory Error to Improve Dataset Distillation, CVPR 2023,
        https://arxiv.org/abs/2211.11004 (flat experts).
        GSAM: Zhuang et al., Surrogate Gap Minimization Improves Sharpness-Aware Training, ICLR 2022,
        https://arxiv.org/abs/2203.08065, algorithm 1.

    Deviation: rho is constant, as in FTD's settings (GSAM schedules it).

    Args:
        rho: distance of the second gradient.
        strength: weight of the perpendicular part (alpha in the GSAM paper).
        adaptive: whether the perturbation scales with the parameters.

    Raises:
        ValueError: if rho is not above 0, or strength is below 0.

    Example:
        >>> import torch
        >>> FlatDirection(rho=0.1, strength=0.0, adaptive=False)(lambda p: 2 * p, torch.tensor([3.0, 4.0]))
        tensor([6.1200, 8.1600])
    """

    def __init__(self, rho: float = 0.01, strength: float = 0.3, adaptive: bool = True) -> None:
        require_in_interval("(0, inf)", rho=rho)
        require_in_interval("[0, inf)", strength=strength)
        self.rho = rho
        self.strength = strength
        self.adaptive = adaptive

    def config(self) -> dict[str, Any]:
        """The settings that distinguish these experts from others, as plain JSON values."""
        return {"name": "flat", "rho": self.rho, "strength": self.strength, "adaptive": self.adaptive}

    def __call__(self, gradient: Callable[[Tensor], Tensor], parameters: Tensor) -> Tensor:
        """Return the direction [P] at ``parameters`` [P]; ``gradient`` is called there first, then at theta + e."""
        here = gradient(parameters)
        if self.adaptive:
            offset = self.rho * parameters.square() * here / ((parameters.abs() * here).norm() + TINY)
        else:
            offset = self.rho * here / (here.norm() + TINY)
        nearby = gradient(parameters + offset)
        unit = nearby / (nearby.norm() + TINY)
        perpendicular = here - (here * unit).sum() * unit
        direction: Tensor = nearby - self.strength * perpendicular
        return direction
