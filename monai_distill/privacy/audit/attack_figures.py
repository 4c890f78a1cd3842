"""How well scores tell members from the rest: area, rates with exact intervals, and whether that could be chance."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from .intervals import clopper_pearson

__all__ = ["FPRS", "SEEN", "attack_figures"]

FPRS = (0.001, 0.01)
EXPECTED_FALSE = 8  # a rate is given where at least so many false positives are expected
SEEN = 3.72  # standard deviations from chance, one chance in ten thousand one-sided


def attack_figures(
    scores: npt.NDArray[np.float64], members: npt.NDArray[np.bool_], units: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Area under the ROC curve, true positive rates at fixed false positive rates, and their distance from chance.

    The scores of all shadows are pooled; ties at a threshold count as not above it. ``deviations`` is the largest, over
    the ranks and over the thresholds of no, 0.1 and 1 percent false positives, of a sum of (in minus out) divided by
    its standard deviation, with the units as independent draws: a unit's scores in several shadows calibrate each
    other, so counting them as independent would find leaks in noise. ``seen`` says that it is above :data:`SEEN`. The
    intervals of the rates are Clopper and Pearson's, which do take the scores for independent.

    References:
        Carlini et al., Membership Inference Attacks From First Principles, IEEE S&P 2022, for the rates.

    Args:
        scores: [shadows, candidates], higher for members.
        members: [shadows, candidates], who was in.
        units: [candidates], equal for images that are drawn together (of one patient).

    Returns:
        ``auc``, ``tpr_at_fpr`` (rate -> value, low, high), ``not_given`` (rate -> why), ``n_in``, ``n_out``,
        ``deviations``, ``seen``. The area is None where either side is empty.

    Raises:
        ValueError: when shapes disagree or a score is not a number.

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
        raise ValueError("Expected scores that are numbers, got NaN. Look at the statistics of the attack.")
    n_in, n_out = int(members.sum()), int((~members).sum())
    figures: dict[str, Any] = {"auc": None, "tpr_at_fpr": {}, "not_given": {}, "n_in": n_in, "n_out": n_out}
    if not n_in or not n_out:
        return {**figures, "deviations": 0.0, "seen": False}
    ranks = rankdata(scores).reshape(scores.shape)
    figures["auc"] = float((ranks[members].sum() - n_in * (n_in + 1) / 2) / (n_in * n_out))
    tests = [ranks / ranks.size - 0.5]  # and who lies above thresholds, given as a rate or not
    tests += [(scores > _threshold(scores[~members], rate)).astype(np.float64) for rate in (0.0, *FPRS)]
    deviations = max(_deviations(values, members, units) for values in tests)
    for rate in FPRS:
        if n_out * rate < EXPECTED_FALSE:
            needed = int(np.ceil(EXPECTED_FALSE / rate))
            figures["not_given"][f"{rate:g}"] = f"needs {needed} scores of non-members, there are {n_out}"
            continue
        above = scores > _threshold(scores[~members], rate)
        hits = int(above[members].sum())
        low, high = clopper_pearson(hits, n_in)
        figures["tpr_at_fpr"][f"{rate:g}"] = {"value": hits / n_in, "low": low, "high": high}
    return {**figures, "deviations": deviations, "seen": deviations > SEEN}


def _threshold(outside: npt.NDArray[np.float64], rate: float) -> float:
    """The smallest score that at most a share ``rate`` of the non-members exceeds."""
    allowed = int(rate * len(outside))
    return float(np.sort(outside)[len(outside) - 1 - allowed])


def _deviations(values: npt.NDArray[np.float64], members: npt.NDArray[np.bool_], units: npt.NDArray[np.int64]) -> float:
    per_candidate = np.where(members, values, -values).sum(axis=0)
    sums = np.bincount(np.unique(units, return_inverse=True)[1], weights=per_candidate)
    spread = float(np.sqrt((sums**2).sum()))
    return float(sums.sum()) / spread if spread > 0 else 0.0
