"""PAD's curriculum: an expert sees the easy training images first, and no longer the easiest ones at the end."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from monai_distill.runtime.validation import require_in_interval

__all__ = ["Curriculum"]


class Curriculum:
    """Image positions by epoch; a ``curriculum`` of :class:`ExpertProtocol`.

    The images of every class are ordered from easy to hard. The expert sees the easiest fraction, which grows linearly
    from ``initial_fraction`` to all images at epoch ``add_end``. It sees all images until ``first_removal``. Then it
    misses the easiest ``first_drop``, and after ``second_removal`` the easiest ``second_drop``.

    References:
        PAD: Li et al., Prioritize Alignment in Dataset Distillation, 2024, https://arxiv.org/abs/2408.03360.

    Deviation: fractions refer to each class's own size (the released program assumes 5000 images per class), and every
    class keeps at least one image.

    Args:
        difficulty: called once, before the first epoch; returns one number per image [n], larger is harder.
        labels: class numbers [n].
        initial_fraction: fraction of the images that epoch 0 shows, above 0 and at most 1.
        add_end: the epoch from which all images are seen.
        first_removal: the last epoch with all images.
        second_removal: the last epoch without ``first_drop``.
        first_drop: fraction of the easiest images left out after ``first_removal``.
        second_drop: fraction of the easiest images left out after ``second_removal``.

    Raises:
        ValueError: if a fraction is out of range, or the epochs are not in order.

    Example:
        >>> easy_to_hard = Curriculum(
        ...     lambda: torch.tensor([0.3, 0.1, 0.4, 0.2]), torch.zeros(4), initial_fraction=0.5, add_end=2,
        ...     first_removal=3, second_removal=5, first_drop=0.25, second_drop=0.5,
        ... )
        >>> [easy_to_hard(epoch).tolist() for epoch in (0, 2, 4, 6)]
        [[1, 3], [1, 3, 0, 2], [3, 0, 2], [0, 2]]
    """

    def __init__(
        self,
        difficulty: Callable[[], Tensor],
        labels: Tensor,
        *,
        initial_fraction: float = 0.75,
        add_end: int = 20,
        first_removal: int = 40,
        second_removal: int = 60,
        first_drop: float = 0.1,
        second_drop: float = 0.2,
    ) -> None:
        require_in_interval("(0, 1]", initial_fraction=initial_fraction)
        require_in_interval("[0, 1)", first_drop=first_drop, second_drop=second_drop)
        if not 0 <= add_end <= first_removal <= second_removal:
            raise ValueError(
                "Expected epochs 0 <= add_end <= first_removal <= second_removal, got "
                f"{add_end}, {first_removal} and {second_removal}. Put them in this order."
            )
        self.difficulty = difficulty
        self.labels = labels.cpu()
        self.initial_fraction = initial_fraction
        self.add_end = add_end
        self.first_removal, self.second_removal = first_removal, second_removal
        self.first_drop, self.second_drop = first_drop, second_drop

    def config(self) -> dict[str, Any]:
        """The settings that distinguish these experts from others, as plain JSON values."""
        return {
            "initial_fraction": self.initial_fraction,
            "add_end": self.add_end,
            "removals": [[self.first_removal, self.first_drop], [self.second_removal, self.second_drop]],
        }

    def __call__(self, epoch: int) -> Tensor:
        """The positions [m] of the images seen in ``epoch`` (from 0), class after class, easy to hard."""
        seen, dropped = self._fractions(epoch)
        parts = []
        for ranked in self._ranked:
            low = min(int(dropped * len(ranked)), max(len(ranked) - 1, 0))
            high = max(int(seen * len(ranked)), low + 1)
            parts.append(ranked[low:high])
        return torch.cat(parts)

    def _fractions(self, epoch: int) -> tuple[float, float]:
        """The easiest fraction that is seen, and the fraction of it, again the easiest, that is left out."""
        if epoch < self.add_end:
            return self.initial_fraction + (1 - self.initial_fraction) * epoch / self.add_end, 0.0
        if epoch <= self.first_removal:
            return 1.0, 0.0
        return 1.0, self.first_drop if epoch <= self.second_removal else self.second_drop

    @functools.cached_property
    def _ranked(self) -> list[Tensor]:
        """Positions of every class, easy to hard; equally hard images in their own order."""
        scores = self.difficulty().cpu()
        classes = [torch.nonzero(self.labels == label).flatten() for label in range(int(self.labels.max()) + 1)]
        return [positions[scores[positions].argsort(stable=True)] for positions in classes]
