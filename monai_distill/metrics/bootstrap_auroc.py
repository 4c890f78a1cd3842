"""Bootstrap interval of the area under the ROC curve over test images or patients."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_distill.runtime.randomness import derived_seed

from .classification import Array, Labels

__all__ = ["bootstrap_auroc"]

BLOCK = 2_000_000  # weights held at once


def bootstrap_auroc(
    probabilities: Array,
    labels: Labels,
    *,
    clusters: Sequence[str] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Mean macro AUROC of S students and its percentile interval over resampled images or patients.

    The interval covers the choice of test images. The interval of ``summary`` covers the choice of students. All
    students see the same resamples.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).

    Args:
        probabilities: [students, n, classes].
        labels: class numbers [n].
        clusters: the patient of every image [n]; patients are resampled with all their images.
        resamples: number of resamples; a resample with one class only does not count.
        level: confidence level of the interval.
        seed: seed of the run.

    Returns:
        ``value``, ``interval``, ``level``, ``resamples`` and ``unit`` (``image`` or ``patient``); ``value`` and
        ``interval`` are None if fewer than two classes occur.

    Raises:
        ValueError: if there is no resample, the level is outside (0, 1), or the clusters do not match the images.

    Example:
        >>> good = np.array([[[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]])
        >>> bootstrap_auroc(good, np.array([0, 0, 1, 1]), resamples=50)["interval"]
        [1.0, 1.0]
    """
    count = probabilities.shape[1]
    if resamples < 1 or not 0 < level < 1 or len(labels if clusters is None else clusters) != count:
        raise ValueError(
            f"Expected resamples of at least 1, a level in (0, 1) and {count} clusters, got {resamples}, {level} and "
            f"{'none' if clusters is None else len(clusters)}."
        )
    curves = [
        [_Curve(student[:, c], labels == c) for student in probabilities]
        for c in range(probabilities.shape[2])
        if 0 < (labels == c).sum() < count
    ]
    settings = {"level": level, "resamples": resamples, "unit": "image" if clusters is None else "patient"}
    if not curves:
        return {"value": None, "interval": None, **settings}
    means = []
    for weights in _weights(count, clusters, resamples, np.random.default_rng(derived_seed(seed, "bootstrap"))):
        areas = np.stack([np.mean([curve.areas(weights) for curve in students], axis=0) for students in curves])
        known = np.isfinite(areas)
        macro = np.where(known, areas, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        means.append(macro[known.any(axis=0)])
    values = np.concatenate(means)
    ends = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist() if len(values) else None
    value = float(np.mean([curve.areas(np.ones((1, count))) for students in curves for curve in students]))
    return {"value": value, "interval": ends, **settings}


class _Curve:
    """One class against the rest for one student, sorted once: the area for any weights of the images."""

    def __init__(self, scores: Array, positive: npt.NDArray[np.bool_]) -> None:
        self.order = np.argsort(scores, kind="stable")
        ordered = scores[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))  # of equal scores
        self.positive = positive[self.order]

    def areas(self, weights: Array) -> Array:
        """Share of (positive, negative) pairs in the right order, ties half, for weights [R, n]; NaN without pairs."""
        ordered = weights[:, self.order]
        positive = np.add.reduceat(ordered * self.positive, self.starts, axis=1)
        negative = np.add.reduceat(ordered * ~self.positive, self.starts, axis=1)
        below = negative.cumsum(axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        right = (positive * below).sum(axis=1)
        areas: Array = np.divide(right, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
        return areas


def _weights(
    count: int, clusters: Sequence[str] | None, resamples: int, generator: np.random.Generator
) -> Iterator[Array]:
    """How often every image is in a resample, [R, n] in blocks."""
    members = np.arange(count) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    units = int(members.max()) + 1
    block = max(1, BLOCK // count)
    for low in range(0, resamples, block):
        drawn = generator.multinomial(units, np.full(units, 1 / units), size=min(block, resamples - low))
        yield drawn[:, members].astype(np.float64)
