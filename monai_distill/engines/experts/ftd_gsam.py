"""Experts that walk through flat regions, where a student's accumulated error does less harm."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

__all__ = ["FlatDirection"]

TINY = 1e-12


class FlatDirection:
    """Direction of an SGD step that seeks flat minima; give it to :class:`ExpertTrainer` as ``direction``.

    The gradient at a point where the loss is higher nearby, ``g'``, minus ``strength`` times the part of the gradient
    here that is perpendicular to it: ``theta + e`` with ``e = rho theta^2 g / | |theta| g |`` (adaptive) or
    ``rho g / |g|``. Both gradients see the same augmented batch; a step costs two.

    References:
        Zhuang et al., Surrogate Gap Minimization Improves Sharpness-Aware Training, ICLR 2022; used for experts by Du
        et al., Minimizing the Accumulated Trajectory Error to Improve Dataset Distillation, CVPR 2023.

    Args:
        rho: how far away the second gradient is taken.
        strength: weight of the perpendicular part.
        adaptive: whether the perturbation scales with the parameters.

    Raises:
        ValueError: when rho is not above 0 or strength below 0.

    Example:
        >>> import torch
        >>> FlatDirection(rho=0.1, strength=0.0, adaptive=False)(lambda p: 2 * p, torch.tensor([3.0, 4.0]))
        tensor([6.1200, 8.1600])
    """

    def __init__(self, rho: float = 0.01, strength: float = 0.3, adaptive: bool = True) -> None:
        if not (rho > 0 and strength >= 0):
            raise ValueError(f"Expected rho above 0 and strength of at least 0, got {rho} and {strength}.")
        self.rho = rho
        self.strength = strength
        self.adaptive = adaptive

    def config(self) -> dict[str, Any]:
        """What tells these experts from others, as plain JSON values."""
        return {"name": "flat", "rho": self.rho, "strength": self.strength, "adaptive": self.adaptive}

    def __call__(self, gradient: Callable[[Tensor], Tensor], parameters: Tensor) -> Tensor:
        """Return the direction [P] at ``parameters`` [P]; ``gradient`` is asked there first, then nearby."""
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
