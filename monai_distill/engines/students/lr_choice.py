"""Learning rates to try, ranked on validation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TypeVar

from .student_training import StudentDivergedError

__all__ = ["lr_candidates", "rank_by_validation"]

CLOSE = 1.1  # learning rates within this factor are one candidate

Candidate = TypeVar("Candidate", float, tuple[int, float])


def rank_by_validation(candidates: Iterable[Candidate], score: Callable[[Candidate], float]) -> dict[Candidate, float]:
    """Validation score per candidate, the best first; of equal ones the smaller comes first.

    A candidate whose student diverges is left out, with a warning.

    Args:
        candidates: learning rates, or other settings that can be sorted.
        score: trains students with one of them and returns their mean score on the validation images.

    Returns:
        Empty if all candidates diverge.

    Example:
        >>> rank_by_validation([0.1, 0.01, 0.2], lambda lr: 1.0 if lr == 0.1 else 0.5)
        {0.1: 1.0, 0.01: 0.5, 0.2: 0.5}
    """
    scores = {}
    for candidate in sorted(set(candidates)):
        try:
            scores[candidate] = score(candidate)
        except StudentDivergedError as error:
            warnings.warn(f"{error} It counts as the worst candidate.", stacklevel=2)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def lr_candidates(learned: float, given: Iterable[float]) -> list[float]:
    """The learning rates to try: the given ones, and the learned one unless a given one is within ten percent of it.

    Two learning rates that close train students that differ less than two seeds do. The given one is used, because
    results that another set computed with it can be reused.

    Example:
        >>> lr_candidates(0.0091, [0.01]), lr_candidates(0.02, [0.1, 0.01])
        ([0.01], [0.01, 0.02, 0.1])
    """
    given = sorted(set(given))
    near = any(max(lr, learned) <= CLOSE * min(lr, learned) for lr in given)
    return given if near else sorted([*given, learned])
