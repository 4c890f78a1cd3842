"""NCFM's loss: the distance of two characteristic functions, in amplitude and in phase."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from monai_distill.runtime.validation import require_in_interval

from .class_sums import ClassSums
from .idm_loss import class_regularization

__all__ = ["CharacteristicFunctionLoss", "characteristic_discrepancy", "waves"]

SMALLEST = 1e-8  # below the squared amplitudes and the discrepancies, where a root has an infinite slope


def waves(vectors: Tensor, frequencies: Tensor) -> Tensor:
    """``cos <t, z>`` for every frequency t, then ``sin <t, z>``: their class mean is the characteristic function.

    Args:
        vectors: z, [n, F].
        frequencies: t, [T, F].

    Returns:
        [n, 2 T], dimensionless.

    Example:
        >>> waves(torch.zeros(1, 2), torch.ones(3, 2))
        tensor([[1., 1., 1., 0., 0., 0.]])
    """
    angles = vectors @ frequencies.T
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def characteristic_discrepancy(real: Tensor, synthetic: Tensor, alpha: float) -> Tensor:
    """``alpha (|R| - |S|)^2 + (1 - alpha) 2 |R| |S| (1 - cos(phase of R - phase of S))`` per frequency.

    The phases never appear: ``|R| |S| cos(a_R - a_S)`` is the real part of R times the conjugate of S.

    References:
        NCFM: Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025,
        https://arxiv.org/abs/2502.20653, eq. 7. It prints the amplitudes' term as ``|R - S|^2``, which contradicts its
        own derivation: alpha 0.5 must give half of ``|R - S|^2``.

    Args:
        real: R, [..., 2 T]: real parts, then imaginary parts.
        synthetic: S, of the same shape.
        alpha: weight of the amplitudes, 0 to 1; the phases have the rest.

    Returns:
        [..., T], at least 0.

    Example:
        >>> characteristic_discrepancy(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), alpha=0.5)
        tensor([1.])
    """
    (a, b), (c, d) = real.chunk(2, dim=-1), synthetic.chunk(2, dim=-1)
    amplitudes = [(x.square() + y.square() + SMALLEST).sqrt() for x, y in ((a, b), (c, d))]
    distance = (amplitudes[0] - amplitudes[1]).square()
    phases = 2 * (amplitudes[0] * amplitudes[1] - (a * c + b * d))  # may round to just below 0
    return alpha * distance + (1 - alpha) * phases.clamp(min=0)


class CharacteristicFunctionLoss(nn.Module):
    """``sum_c mean_t sqrt(discrepancy_c(t))`` of the characteristic functions of real and synthetic features.

    References:
        NCFM: Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025,
        https://arxiv.org/abs/2502.20653, eq. 6 and 7.

    Deviations: a class that has no real or no synthetic image adds nothing. The accuracy-weighted cross-entropy of IDM
    (:func:`class_regularization`) can be added; the paper finetunes the images with soft labels afterwards instead.

    Args:
        alpha: weight of the amplitudes. The paper's figure 5 is best between 0.57 and 0.9.
        class_weight: of the cross-entropy; 0 leaves it out.

    Raises:
        ValueError: if alpha is not from 0 to 1 or the weight is negative; from ``forward``, if there are not exactly
            three kinds of features.

    Example:
        >>> from monai_distill.losses.class_sums import class_sums
        >>> labels, kinds = torch.tensor([0]), [torch.tensor([[1.0, 0.0]]), torch.zeros(1, 1), torch.ones(1, 1)]
        >>> real = [class_sums(kind, labels, 1) for kind in kinds]
        >>> loss = CharacteristicFunctionLoss(alpha=0.5)(real, [class_sums(-kinds[0], labels, 1), *real[1:]])
        >>> round(float(loss), 3)  # the square root of |1 - (-1)|^2 / 2
        1.414
    """

    def __init__(self, alpha: float = 0.8, class_weight: float = 0.0) -> None:
        super().__init__()
        require_in_interval("[0, 1]", alpha=alpha)
        require_in_interval("[0, inf)", class_weight=class_weight)
        self.alpha = alpha
        self.class_weight = class_weight

    def forward(self, real: Sequence[ClassSums], synthetic: Sequence[ClassSums]) -> Tensor:
        """Return the loss, a scalar, from the sums of waves, log-probabilities and predictions of both sides."""
        if len(real) != 3 or len(synthetic) != 3:
            raise ValueError(
                f"Expected sums of waves, log-probabilities and predictions, got {len(real)} and {len(synthetic)} "
                "kinds. Use wave_features."
            )
        functions = [side[0].sums / side[0].counts.clamp(min=1)[:, None] for side in (real, synthetic)]
        present = (real[0].counts > 0) & (synthetic[0].counts > 0)
        discrepancy = characteristic_discrepancy(functions[0], functions[1], self.alpha)
        loss = torch.where(present, (discrepancy + SMALLEST).sqrt().mean(dim=1), 0.0).sum()
        if self.class_weight:
            loss = loss + self.class_weight * class_regularization(real[2], synthetic[1])
        return loss
