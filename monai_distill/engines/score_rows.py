"""The rows of a score table: students trained on a set, or on a control of its size, and what they predict."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from monai_distill.data import ClassBank, SplitBanks
from monai_distill.metrics import SCORES, StudentMetric, accuracy, summary

from .student_predictions import StudentPredictions, TrainingSet
from .student_training import StudentTraining

__all__ = ["Control", "Row", "ScoreRows"]

Control = Callable[[int, int], tuple[Tensor, Tensor]]


class Row(NamedTuple):
    """Probabilities [students, n, classes] on the test images, the step size used, and which variant of a control."""

    probabilities: Tensor
    step_size: float
    variant: int = 0

    def scores(self, labels: Tensor) -> dict[str, Any]:
        """Every score of the table against the labels [n]: metric -> mean, std, interval95, values; and step_size."""
        metrics = {name: StudentMetric(score) for name, score in SCORES.items()}
        for metric in metrics.values():
            metric.update((self.probabilities, labels))
            metric.compute()
        return {**{name: summary(metric.values) for name, metric in metrics.items()}, "step_size": self.step_size}


class ScoreRows:
    """Trains the students of every row in the same way; a control's settings are chosen on validation.

    A control is a function of (images per class, number of the draw) to images and targets (class numbers or logits);
    it sees training images only. Every student of its row has a draw of its own. It has no step size: the one of the
    candidates that is best on validation for the first draw is used, so that no row suffers from a bad one; and when a
    control has several variants, the best of them.

    Args:
        data: validation images choose, test images score.
        predictions: trains and predicts.
        students: fresh networks per row.
        on_step: called with a number of student steps that are done, for a progress bar.

    Example:
        >>> from monai_distill.data import DigitsDataset, random_subset
        >>> from monai_distill.networks import ConvNet, FlatNetwork
        >>> from monai_distill.randomness import seeded_generator
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
        >>> rows = ScoreRows(data, StudentPredictions(network), students=2)
        >>> draw = lambda n, i: random_subset(data.training, n, seeded_generator(0, "random subset", i))
        >>> rows.control("random", [draw], 1, StudentTraining(SiameseAugment(()), steps=2), [0.01]).step_size
        0.01
    """

    def __init__(
        self,
        data: SplitBanks,
        predictions: StudentPredictions,
        *,
        students: int = 5,
        on_step: Callable[[int], object] = lambda count: None,
    ) -> None:
        self.data = data
        self.predictions = predictions
        self.students = students
        self.on_step = on_step

    def trained_on(
        self,
        training_set: TrainingSet,
        protocol: StudentTraining,
        *,
        purpose: str = "score",
        students: int | None = None,
    ) -> Row:
        """The row of one training set: images [m, channels, *spatial], targets and the step size to use."""
        count = self.students if students is None else students
        return Row(self._predicted(training_set, self.data.test, protocol, count, purpose), training_set[2])

    def control(
        self,
        name: str,
        variants: Sequence[Control],
        images_per_class: int,
        protocol: StudentTraining,
        step_sizes: Sequence[float],
    ) -> Row:
        """The row of a control of ``images_per_class``: ``name`` distinguishes its students' seeds."""
        first = [variant(images_per_class, 0) for variant in variants]
        settings = list(itertools.product(range(len(variants)), sorted(set(step_sizes))))
        chosen, rate = (
            max(settings, key=lambda s: self._validated((*first[s[0]], s[1]), protocol))
            if len(settings) > 1
            else settings[0]
        )
        draws = [first[chosen], *(variants[chosen](images_per_class, i) for i in range(1, self.students))]
        parts = [
            self._predicted((*draw, rate), self.data.test, protocol, 1, f"{name} {i}") for i, draw in enumerate(draws)
        ]
        return Row(torch.cat(parts), rate, chosen)

    def control_steps(self, protocol: StudentTraining, settings: int) -> int:
        """How many student steps :meth:`control` takes with that many variants times step sizes."""
        return protocol.steps * (self.students + (settings if settings > 1 else 0))

    def _validated(self, training_set: TrainingSet, protocol: StudentTraining) -> float:
        bank = self.data.validation
        probabilities = self._predicted(training_set, bank, protocol, 1, "choice")
        return accuracy(probabilities[0].double().numpy(), bank.labels.cpu().numpy())

    def _predicted(
        self, training_set: TrainingSet, bank: ClassBank, protocol: StudentTraining, students: int, purpose: str
    ) -> Tensor:
        return self.predictions(training_set, bank, protocol, students=students, purpose=purpose, on_step=self.on_step)
