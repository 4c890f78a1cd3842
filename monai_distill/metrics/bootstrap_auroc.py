"""How far the area under the ROC curve could lie off on other patients."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.metrics import CumulativeIterationMetric
from torch import Tensor

from monai_distill.runtime.randomness import derived_seed

from .classification import Array, Labels

__all__ = ["BootstrapAUROC", "bootstrap_auroc"]

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
    """Mean macro AUROC of S students and its percentile interval over resampled images, or patients where given.

    The interval is about the test images (other ones could have been drawn), where that of ``summary`` is about the
    students. All students see the same resamples.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).

    Args:
        probabilities: [students, n, classes].
        labels: class numbers [n].
        clusters: whose image it is [n]: patients are resampled, with all their images.
        resamples: how many; those without two classes count nothing.
        level: of the interval.
        seed: seed of the run.

    Returns:
        ``value``, ``interval``, ``level``, ``resamples`` and ``unit`` (``image`` or ``patient``); None for what cannot
        be computed.

    Raises:
        ValueError: for no resamples, a level outside (0, 1), or clusters of another number than images.

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
    about = {"level": level, "resamples": resamples, "unit": "image" if clusters is None else "patient"}
    if not curves:
        return {"value": None, "interval": None, **about}
    found = []
    for weights in _weights(count, clusters, resamples, np.random.default_rng(derived_seed(seed, "bootstrap"))):
        areas = np.stack([np.mean([curve.areas(weights) for curve in students], axis=0) for students in curves])
        known = np.isfinite(areas)
        means = np.where(known, areas, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        found.append(means[known.any(axis=0)])
    values = np.concatenate(found)
    ends = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist() if len(values) else None
    value = float(np.mean([curve.areas(np.ones((1, count))) for students in curves for curve in students]))
    return {"value": value, "interval": ends, **about}


class BootstrapAUROC(CumulativeIterationMetric):  # type: ignore[misc]
    """:func:`bootstrap_auroc` of one classifier as a MONAI metric; fits ``IgniteMetricHandler``.

    Args:
        resamples: how many.
        level: of the interval.
        seed: seed of the run.

    Raises:
        ValueError: when the shapes disagree or no image came.

    Example:
        >>> metric = BootstrapAUROC(resamples=20)
        >>> _ = metric(torch.eye(2).repeat(3, 1), torch.eye(2).repeat(3, 1))
        >>> metric.aggregate()
        tensor([1., 1., 1.])
    """

    def __init__(self, resamples: int = 1000, *, level: float = 0.95, seed: int = 0) -> None:
        super().__init__()
        self.resamples = resamples
        self.level = level
        self.seed = seed

    def _compute_tensor(self, y_pred: Tensor, y: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if y_pred.ndim != 2 or y_pred.shape != y.shape:
            raise ValueError(
                f"Expected probabilities and one-hot labels [B, classes], got {list(y_pred.shape)} and {list(y.shape)}."
            )
        return y_pred, y

    def aggregate(self) -> Tensor:
        """Value and both ends of the interval, [3]; NaN where there is none."""
        gathered = self.get_buffer()
        if gathered is None:
            raise ValueError("No image reached the metric. Give it probabilities and one-hot labels first.")
        probabilities, labels = (part.detach().cpu().double() for part in gathered)
        found = bootstrap_auroc(
            probabilities[None].numpy(),
            labels.argmax(dim=1).numpy(),
            resamples=self.resamples,
            level=self.level,
            seed=self.seed,
        )
        values = [found["value"], *(found["interval"] or [None, None])]
        return torch.tensor([float("nan") if value is None else value for value in values])


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
