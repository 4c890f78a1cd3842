"""Exact confidence intervals of a share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from scipy.stats import beta

__all__ = ["clopper_pearson"]


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided exact interval of a binomial share.

    References:
        Clopper and Pearson, Biometrika 26, 1934.

    Args:
        hits: how often it happened.
        trials: out of how many, at least 1.
        confidence: of the interval, between 0 and 1.

    Raises:
        ValueError: for no trials, hits outside 0 to trials, or a confidence outside (0, 1).

    Example:
        >>> [round(bound, 4) for bound in clopper_pearson(0, 10)]
        [0.0, 0.3085]
    """
    if trials < 1 or not 0 <= hits <= trials or not 0 < confidence < 1:
        raise ValueError(
            f"Expected 0 <= hits <= trials, at least 1 trial and a confidence in (0, 1), got {hits}, {trials} and "
            f"{confidence}."
        )
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return low, high
