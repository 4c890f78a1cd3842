"""The distance between two distributions of features by their characteristic functions, class by class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .class_sums import ClassSums

__all__ = ["CharacteristicFunctionLoss", "waves"]

TINY = 1e-8


def waves(features: Tensor, frequencies: Tensor) -> Tensor:
    """Cosines, then sines, of the products of features [n, F] and frequencies [T, F]: [n, 2 T].

    Their mean over images is the empirical characteristic function at these frequencies, real part then imaginary part.

    Example:
        >>> waves(torch.zeros(1, 3), torch.ones(2, 3)).tolist()
        [[1.0, 1.0, 0.0, 0.0]]
    """
    phases = features @ frequencies.T
    return torch.cat([phases.cos(), phases.sin()], dim=1)


class CharacteristicFunctionLoss(nn.Module):
    """``sum_c mean_t sqrt(a (|R| - |S|)^2 + (1 - a) 2 |R| |S| (1 - cos(angle between R and S)))``.

    R and S are the characteristic functions of the real and of the synthetic features of class c at the frequency t.
    With equal weights a = 0.5 it is ``|R - S|``, but for a factor.

    References:
        Wang et al., Dataset Distillation with Neural Characteristic Function: A Minmax Perspective, CVPR 2025.

    Args:
        amplitude_weight: a, from 0 (phases alone: realism) to 1 (amplitudes alone: diversity).

    Raises:
        ValueError: for a weight outside 0 to 1.

    Example:
        >>> labels, frequencies = torch.zeros(1, dtype=torch.long), torch.ones(1, 1)
        >>> from monai_distill.losses import class_sums
        >>> ours, real = (class_sums(waves(x, frequencies), labels, 1) for x in (torch.zeros(1, 1), torch.ones(1, 1)))
        >>> round(float(CharacteristicFunctionLoss()([real], [ours])), 3)  # sqrt(0.5) |exp(i) - 1|
        0.678
    """

    def __init__(self, amplitude_weight: float = 0.5) -> None:
        super().__init__()
        if not 0 <= amplitude_weight <= 1:
            raise ValueError(f"Expected a weight of the amplitudes from 0 to 1, got {amplitude_weight}.")
        self.amplitude_weight = amplitude_weight

    def forward(self, real: Sequence[ClassSums], synthetic: Sequence[ClassSums]) -> Tensor:
        """Return the loss, a scalar, from the class sums of :func:`waves`; a class absent on a side adds nothing."""
        return torch.stack([self._distance(r, s) for r, s in zip(real, synthetic, strict=True)]).sum()

    def _distance(self, real: ClassSums, synthetic: ClassSums) -> Tensor:
        present = (real.counts > 0) & (synthetic.counts > 0)
        (a, b), (c, d) = ((side.sums / side.counts.clamp(min=1)[:, None]).chunk(2, dim=1) for side in (real, synthetic))
        first, second = (a * a + b * b + TINY).sqrt(), (c * c + d * d + TINY).sqrt()
        phase = (2 * (first * second - a * c - b * d)).clamp(min=0)
        weight = self.amplitude_weight
        squares = weight * (first - second).square() + (1 - weight) * phase
        return torch.where(present, (squares + TINY).sqrt().mean(dim=1), 0.0).sum()
