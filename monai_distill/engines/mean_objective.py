"""An objective over several draws at once."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from monai_distill.data import SyntheticDataset

__all__ = ["MeanObjective"]


class MeanObjective:
    """The mean of an objective's losses and gradients over the draws of one iteration, asked one after another.

    Where several processes have as many draws each, the mean that the ``Distiller`` takes over them is that of all.

    Args:
        objective: callable (synthetic, draw) -> (loss, gradient per parameter name).

    Example:
        >>> import torch
        >>> data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["only"])
        >>> scaled = lambda synthetic, draw: (torch.tensor(draw), {"images": draw * torch.ones(1, 1, 2, 2)})
        >>> loss, gradients = MeanObjective(scaled)(data, [1.0, 3.0])
        >>> float(loss), float(gradients["images"].mean())
        (2.0, 2.0)
    """

    def __init__(self, objective: Callable[[SyntheticDataset, Any], tuple[Tensor, dict[str, Tensor]]]) -> None:
        self.objective = objective

    def __call__(self, synthetic: SyntheticDataset, batch: Sequence[Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss (a detached scalar) and the mean gradients, by name.

        Raises:
            ValueError: without a draw.
        """
        if not batch:
            raise ValueError("Expected at least one draw for an iteration, got none.")
        total, gradients = self.objective(synthetic, batch[0])
        for draw in batch[1:]:
            loss, more = self.objective(synthetic, draw)
            total = total + loss
            gradients = {name: gradients[name] + more[name] for name in gradients}
        return total / len(batch), {name: gradient / len(batch) for name, gradient in gradients.items()}
