"""DC's loss, which DSA shares: the layer-wise distance between two gradients of one network."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["GradientMatchingLoss"]


class GradientMatchingLoss(nn.Module):
    """``sum over layers and rows of 1 - cos(real row, synthetic row)``: directions matter, lengths do not.

    A row holds all weights of one output: one output channel of a convolution (2D or 3D), one output of a linear layer.
    Tensors of one dimension (biases, affine normalization) add nothing.

    References:
        DC: Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, https://arxiv.org/abs/2006.05929, eq. 5
        and appendix A.
        DSA: Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation, ICML 2021,
        https://arxiv.org/abs/2102.08259 (the same distance).

    Deviation: none from the released program.

    Args:
        epsilon: added to the product of the lengths, as in the released program.

    Raises:
        ValueError: from ``forward``, if no tensor has two dimensions or more.

    Example:
        >>> real, synthetic = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, -1.0]])
        >>> GradientMatchingLoss()([real, torch.ones(2)], [synthetic, torch.zeros(2)])
        tensor(2.0000)
    """

    def __init__(self, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, real: Sequence[Tensor], synthetic: Sequence[Tensor]) -> Tensor:
        """Return the loss, a scalar, from the gradients of every parameter, in one order for both."""
        distances = [self._rows(r, s) for r, s in zip(real, synthetic, strict=True) if r.ndim > 1]
        if not distances:
            raise ValueError("Expected gradients of two dimensions or more, got none. Use a network with weights.")
        return torch.stack(distances).sum()

    def _rows(self, real: Tensor, synthetic: Tensor) -> Tensor:
        first, second = real.flatten(1), synthetic.flatten(1)
        lengths = first.norm(dim=1) * second.norm(dim=1)
        distance: Tensor = (1 - (first * second).sum(dim=1) / (lengths + self.epsilon)).sum()
        return distance
