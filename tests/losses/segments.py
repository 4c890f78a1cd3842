"""Pieces of made-up experts, for the matching losses."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class MadeSegment(NamedTuple):
    """All that a loss may ask of an expert."""

    iteration: int
    start: Tensor
    target: Tensor
    middle: Tensor | None


def segment(start: Tensor, target: Tensor, middle: Tensor | None = None, iteration: int = 0) -> MadeSegment:
    return MadeSegment(iteration, start, target, middle)
