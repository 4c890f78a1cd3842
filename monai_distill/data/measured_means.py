"""What a distillation step is asked about when class means were measured beforehand."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["MeasuredMeans"]


class MeasuredMeans(NamedTuple):
    """Class means [classes, F] that one of several fixed views of the images gave; ``view`` is its number.

    Example:
        >>> import torch
        >>> MeasuredMeans(iteration=5, view=1, means=torch.zeros(2, 3)).view
        1
    """

    iteration: int
    view: int
    means: Tensor
