"""An ignite metric over several students at once: its value is the mean, its detail one value per student."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ignite.exceptions import NotComputableError
from ignite.metrics import Metric
from torch import Tensor

from .classification import Array, Labels

__all__ = ["StudentMetric"]


class StudentMetric(Metric):  # type: ignore[misc]
    """Gathers the probabilities of S students over a whole data set and scores each student.

    ``compute`` returns the mean as a plain float (so that checkpoints hold no numpy number), NaN where there is no
    student; ``values`` keeps one per student.

    Args:
        score: function of probabilities [n, classes] and labels [n].
        output_transform: takes (probabilities [S, B, classes], labels [B]) from the engine's output.

    Raises:
        NotComputableError: when nothing was gathered.

    Example:
        >>> from monai_distill.metrics import accuracy
        >>> metric = StudentMetric(accuracy)
        >>> metric.update((torch.eye(2).expand(3, 2, 2), torch.tensor([0, 1])))
        >>> metric.compute(), metric.values
        (1.0, [1.0, 1.0, 1.0])
    """

    def __init__(
        self, score: Callable[[Array, Labels], float], output_transform: Callable[[Any], Any] = lambda x: x
    ) -> None:
        self.score = score
        self.values: list[float] = []
        super().__init__(output_transform=output_transform)

    def reset(self) -> None:
        """Forget what was gathered."""
        self._probabilities: list[Tensor] = []
        self._labels: list[Tensor] = []

    def update(self, output: tuple[Tensor, Tensor]) -> None:
        """Add one batch: probabilities [S, B, classes] and labels [B]."""
        self._probabilities.append(output[0].detach().cpu())
        self._labels.append(output[1].detach().cpu())

    def compute(self) -> float:
        """Mean of the students' scores."""
        if not self._labels:
            raise NotComputableError("No batch reached the metric. Run the evaluator on data first.")
        probabilities = torch.cat(self._probabilities, dim=1).double().numpy()
        labels = torch.cat(self._labels).numpy().astype(np.int64)
        self.values = [float(self.score(student, labels)) for student in probabilities]
        return float(np.mean(self.values)) if self.values else math.nan
