"""Agreement of a cheap ranking with a reference ranking, over all candidates and among the best."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

__all__ = ["rank_agreement"]


def rank_agreement(proxy: Sequence[float], reference: Sequence[float], top: float = 0.2) -> dict[str, Any]:
    """Spearman's rank correlation of two rankings, over all candidates and over the best share ``top``.

    The best are those that ``reference`` ranks first. Over all candidates the poor ones dominate the correlation (a
    random subset reaches 0.70 on CIFAR-10); an architecture search needs the order of the good ones.

    References:
        Sajedi et al., DataDAM, ICCV 2023, https://arxiv.org/abs/2310.00093 (architecture search).

    Deviation: ties have mean ranks (SciPy). The correlation of fewer than three candidates, or of candidates that are
    all equal on one side, is None.

    Args:
        proxy: scores [n], higher is better.
        reference: scores [n] of the same candidates.
        top: share above 0 and up to 1, rounded up to a whole number of candidates.

    Returns:
        ``spearman``, ``spearman_top`` and ``top_size``, the number of candidates in the top.

    Raises:
        ValueError: if the rankings differ in length, the share is out of range or a score is NaN.

    Example:
        >>> rank_agreement([1, 2, 3, 4, 5, 7, 6], [1, 2, 3, 4, 5, 6, 7], top=0.4)
        {'spearman': 0.9642857142857145, 'spearman_top': 0.5, 'top_size': 3}
    """
    if len(proxy) != len(reference) or not 0 < top <= 1 or np.isnan([*proxy, *reference]).any():
        raise ValueError(
            f"Expected two rankings of the same candidates without NaN and a top share above 0 and up to 1, got "
            f"{len(proxy)} and {len(reference)} scores and {top}."
        )
    first, second = np.asarray(proxy, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    size = math.ceil(round(top * len(second), 9))
    best = np.argsort(-second, kind="stable")[:size]
    return {
        "spearman": _spearman(first, second),
        "spearman_top": _spearman(first[best], second[best]),
        "top_size": size,
    }


def _spearman(first: Any, second: Any) -> float | None:
    if len(first) < 3 or len(np.unique(first)) < 2 or len(np.unique(second)) < 2:
        return None
    return float(spearmanr(first, second).statistic)
