"""Scores of several networks from their logits: summaries, and the ignite metric of an evaluator."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from ignite.exceptions import NotComputableError
from ignite.metrics import Metric
from scipy.stats import t
from torch import Tensor

from .classification import SCORES, Array, Labels
from .score_record import ScoreRow, Summary

__all__ = ["StudentMetric", "score_logits", "score_values", "summary"]

Score = Callable[[Array, Labels], float]


def score_logits(logits: Tensor, labels: Tensor) -> ScoreRow:
    """Every metric of several networks, summarized over the networks.

    Args:
        logits: [students, n, classes].
        labels: class numbers [n].

    Returns:
        Metric -> mean, std, interval95 and values.

    Raises:
        ValueError: if shapes disagree or a logit is not finite.

    Example:
        >>> score_logits(torch.eye(2)[None, [0, 1, 1]], torch.tensor([0, 1, 0]))["balanced_accuracy"]["mean"]
        0.75
    """
    return cast("ScoreRow", {name: summary(values) for name, values in score_values(logits, labels).items()})


def score_values(logits: Tensor, labels: Tensor, metrics: Mapping[Any, Score] = SCORES) -> dict[str, list[float]]:
    """One value per network and metric.

    Args:
        logits: [students, n, classes].
        labels: class numbers [n].
        metrics: functions of probabilities [n, classes] and labels [n], by name.

    Raises:
        ValueError: if shapes disagree or a logit is not finite.

    Example:
        >>> score_values(torch.eye(2)[None], torch.tensor([0, 1]))["accuracy"]
        [1.0]
    """
    if logits.ndim != 3 or labels.shape != logits.shape[1:2]:
        raise ValueError(
            f"Expected logits [students, n, classes] and labels [n], got {list(logits.shape)} and {list(labels.shape)}."
        )
    if not bool(torch.isfinite(logits).all()):
        raise ValueError("Expected finite logits, got NaN or infinity: a network diverged. Lower its learning rate.")
    probabilities = logits.softmax(dim=2).cpu().double().numpy()
    numbers = labels.cpu().numpy().astype(np.int64)
    return {name: [float(score(p, numbers)) for p in probabilities] for name, score in metrics.items()}


def summary(values: Sequence[float]) -> Summary:
    """Mean, sample standard deviation (n - 1), 95% t-interval of the mean, and the values themselves.

    A single value has no deviation and no interval (None). NaN becomes None, so that the result is valid JSON.

    Example:
        >>> summary([0.5, 0.7])["mean"]
        0.6
    """
    data = np.asarray(values, dtype=np.float64)
    mean = float(data.mean()) if len(data) else math.nan
    if len(data) < 2 or math.isnan(mean):
        return {"mean": _json(mean), "std": None, "interval95": None, "values": [_json(float(v)) for v in data]}
    std = float(data.std(ddof=1))
    half = float(t.ppf(0.975, len(data) - 1)) * std / math.sqrt(len(data))
    return {"mean": mean, "std": std, "interval95": [mean - half, mean + half], "values": data.tolist()}


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value


class StudentMetric(Metric):  # type: ignore[misc]
    """An ignite metric over several students at once: its value is the mean, ``values`` holds one per student.

    ``compute`` returns a plain float, so that checkpoints hold no NumPy number. Without a student it is NaN.

    Args:
        score: function of probabilities [n, classes] and labels [n].
        output_transform: takes (probabilities [S, B, classes], labels [B]) from the engine's output.

    Raises:
        NotComputableError: if no batch was gathered.

    Example:
        >>> from monai_distill.metrics import accuracy
        >>> metric = StudentMetric(accuracy)
        >>> metric.update((torch.eye(2).expand(3, 2, 2), torch.tensor([0, 1])))
        >>> metric.compute(), metric.values
        (1.0, [1.0, 1.0, 1.0])
    """

    def __init__(self, score: Score, output_transform: Callable[[Any], Any] = lambda x: x) -> None:
        self.score = score
        self.values: list[float] = []
        super().__init__(output_transform=output_transform)

    def reset(self) -> None:
        """Discard the gathered batches."""
        self._probabilities: list[Tensor] = []
        self._labels: list[Tensor] = []

    def update(self, output: tuple[Tensor, Tensor]) -> None:
        """Add one batch: probabilities [S, B, classes] and labels [B]."""
        self._probabilities.append(output[0].detach().cpu())
        self._labels.append(output[1].detach().cpu())

    def compute(self) -> float:
        """The mean of the students' scores."""
        if not self._labels:
            raise NotComputableError("No batch reached the metric. Run the evaluator on data first.")
        probabilities = torch.cat(self._probabilities, dim=1).double().numpy()
        labels = torch.cat(self._labels).numpy().astype(np.int64)
        self.values = [float(self.score(student, labels)) for student in probabilities]
        return float(np.mean(self.values)) if self.values else math.nan
