"""ROC area and true-positive rates of membership scores, with exact intervals and a test against chance."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, rankdata

__all__ = ["FPRS", "SEEN", "attack_figures"]

FPRS = (0.001, 0.01)
EXPECTED_FALSE = 8  # a rate is reported if at least this many false positives are expected
SEEN = 3.72  # standard deviations from chance; one-sided probability 1 in 10,000


def attack_figures(
    scores: npt.NDArray[np.float64], members: npt.NDArray[np.bool_], units: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Area under the ROC curve, true-positive rates at fixed false-positive rates, and their distance from chance.

    The scores of all shadows are pooled; a score equal to a threshold is not above it. ``deviations`` is a test
    statistic: a sum over members minus the sum over non-members, divided by its standard deviation. It is the largest
    over the ranks and over the thresholds at 0, 0.1 and 1 percent false positives. Only units count as independent: the
    scores of one unit in several shadows calibrate each other, and treating them as independent would find leaks in
    noise. ``seen`` is True if ``deviations`` is above :data:`SEEN`. The intervals of the rates are exact
    (Clopper-Pearson), but they do treat the scores as independent.

    References:
        Carlini et al., Membership Inference Attacks From First Principles, IEEE S&P 2022,
        https://arxiv.org/abs/2112.03570 (the rates).

    Args:
        scores: [shadows, candidates], higher for members.
        members: [shadows, candidates], True for members.
        units: [candidates], equal for images that are drawn together (images of one patient).

    Returns:
        ``auc``, ``tpr_at_fpr`` (rate -> value, low, high), ``not_given`` (rate -> reason), ``n_in``, ``n_out``,
        ``deviations``, ``seen``. The area is None without members or without non-members.

    Raises:
        ValueError: if shapes disagree or a score is NaN.

    Example:
        >>> members = np.tile([True, False], (50, 50))
        >>> figures = attack_figures(members + 0.0, members, np.arange(100))
        >>> figures["auc"], figures["tpr_at_fpr"]["0.01"]["value"], figures["seen"]
        (1.0, 1.0, True)
    """
    if scores.shape != members.shape or scores.ndim != 2 or units.shape != scores.shape[1:]:
        raise ValueError(
            f"Expected scores and members [shadows, candidates] and units [candidates], got {scores.shape}, "
            f"{members.shape} and {units.shape}."
        )
    if np.isnan(scores).any():
        raise ValueError("Expected numeric scores, got NaN. Inspect the statistics of the attack.")
    n_in, n_out = int(members.sum()), int((~members).sum())
    figures: dict[str, Any] = {"auc": None, "tpr_at_fpr": {}, "not_given": {}, "n_in": n_in, "n_out": n_out}
    if not n_in or not n_out:
        return {**figures, "deviations": 0.0, "seen": False}
    ranks = rankdata(scores).reshape(scores.shape)
    figures["auc"] = float((ranks[members].sum() - n_in * (n_in + 1) / 2) / (n_in * n_out))
    tests = [ranks / ranks.size - 0.5]
    tests += [(scores > _threshold(scores[~members], rate)).astype(np.float64) for rate in (0.0, *FPRS)]
    deviations = max(_deviations(values, members, units) for values in tests)
    for rate in FPRS:
        if n_out * rate < EXPECTED_FALSE:
            required = int(np.ceil(EXPECTED_FALSE / rate))
            figures["not_given"][f"{rate:g}"] = f"needs {required} scores of non-members, there are {n_out}"
            continue
        above = scores > _threshold(scores[~members], rate)
        hits = int(above[members].sum())
        interval = binomtest(hits, n_in).proportion_ci(0.95, method="exact")
        low, high = float(interval.low), float(interval.high)
        figures["tpr_at_fpr"][f"{rate:g}"] = {"value": hits / n_in, "low": low, "high": high}
    return {**figures, "deviations": deviations, "seen": deviations > SEEN}


def _threshold(outside: npt.NDArray[np.float64], rate: float) -> float:
    """Smallest score that at most a share ``rate`` of the non-members exceeds."""
    allowed = int(rate * len(outside))
    return float(np.sort(outside)[len(outside) - 1 - allowed])


def _deviations(values: npt.NDArray[np.float64], members: npt.NDArray[np.bool_], units: npt.NDArray[np.int64]) -> float:
    per_candidate = np.where(members, values, -values).sum(axis=0)
    sums = np.bincount(np.unique(units, return_inverse=True)[1], weights=per_candidate)
    spread = float(np.sqrt((sums**2).sum()))
    return float(sums.sum()) / spread if spread > 0 else 0.0
