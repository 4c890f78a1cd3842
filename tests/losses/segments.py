"""Segments of invented experts, for the matching losses."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class MadeSegment(NamedTuple):
    """Everything that a loss may read from a segment."""

    iteration: int
    start: Tensor
    target: Tensor
    middle: Tensor | None


def segment(start: Tensor, target: Tensor, middle: Tensor | None = None, iteration: int = 0) -> MadeSegment:
    return MadeSegment(iteration, start, target, middle)
