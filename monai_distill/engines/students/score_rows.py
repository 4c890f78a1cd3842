"""The rows of a score table: students trained on a set, or on a control of its size, and what they predict."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from monai_distill.data import ClassBank, SplitBanks
from monai_distill.metrics import SCORES, StudentMetric, balanced_accuracy, summary

from .lr_choice import rank_by_validation
from .student_predictions import StudentPredictions, TrainingSet
from .student_training import StudentDivergedError, StudentTraining

__all__ = ["Control", "Row", "ScoreRows"]

Control = Callable[[int, int], tuple[Tensor, Tensor]]
Setting = tuple[int, float]  # variant, learning rate


class Row(NamedTuple):
    """Probabilities [students, n, classes] on the test images, the learning rate used, and which variant of a control.

    ``validation``: what every learning rate that was tried scored, the best first; empty where there was no choice.
    """

    probabilities: Tensor
    lr: float
    variant: int = 0
    validation: Mapping[str, float] = {}

    def scores(self, labels: Tensor) -> dict[str, Any]:
        """Every score of the table against the labels [n]: metric -> mean, std, interval95, values; and lr."""
        metrics = {name: StudentMetric(score) for name, score in SCORES.items()}
        for metric in metrics.values():
            metric.update((self.probabilities, labels))
            metric.compute()
        return {**{name: summary(metric.values) for name, metric in metrics.items()}, "lr": self.lr}


class ScoreRows:
    """Trains the students of every row in the same way; a control's settings are chosen on validation.

    A control is a function of (images per class, number of the draw) to images and targets (class numbers or logits);
    it sees training images only. Every student of its row has a draw of its own. It has no learning rate: the one of
    the candidates that is best on validation for the row's first student is used, so that no row suffers from a bad
    one; and when a control has several variants, the best of them. That student is not trained again for the score.
    Best is the highest balanced accuracy, as where the distilled set is chosen: plain accuracy would give a control of
    unbalanced data the setting that answers one class only. A candidate that diverges is the worst.

    Args:
        data: validation images choose, test images score.
        predictions: trains and predicts.
        students: fresh networks per row.
        on_step: called with a number of student steps that are done, for a progress bar.

    Example:
        >>> from monai_distill.data import random_subset
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks import FlatNetwork
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.runtime.randomness import seeded_generator
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
        >>> rows = ScoreRows(data, StudentPredictions(network), students=2)
        >>> draw = lambda n, i: random_subset(data.training, n, seeded_generator(0, "random subset", i))
        >>> rows.control("random", [draw], 1, StudentTraining(SiameseAugment(()), steps=2), [0.01]).lr
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
        """The row of one training set: images [m, channels, *spatial], targets and the learning rate to use."""
        count = self.students if students is None else students
        predicted = self.predictions(
            training_set, self.data.test, protocol, students=count, purpose=purpose, on_step=self.on_step
        )
        return Row(predicted, training_set[2])

    def tuned(self, images: Tensor, targets: Tensor, protocol: StudentTraining, lrs: Sequence[float]) -> Row:
        """The row of one training set without a learning rate: the best on validation, as :meth:`control` finds it."""
        train = functools.partial(self.predictions.students, protocol=protocol, on_step=self.on_step)
        return self._best(
            {(0, rate): train((images, targets, rate), purpose="choice") for rate in lrs},
            lambda setting: train((images, targets, setting[1]), students=self.students)(self.data.test),
        )

    def control(
        self,
        name: str,
        variants: Sequence[Control],
        images_per_class: int,
        protocol: StudentTraining,
        lrs: Sequence[float],
    ) -> Row:
        """The row of a control of ``images_per_class``: ``name`` distinguishes its students' seeds.

        Raises:
            StudentDivergedError: when students diverge with every variant and learning rate.
        """
        first = [variant(images_per_class, 0) for variant in variants]
        train = functools.partial(self.predictions.students, protocol=protocol, on_step=self.on_step)
        settings = itertools.product(range(len(variants)), lrs)
        candidates = {s: train((*first[s[0]], s[1]), purpose=f"{name} 0") for s in settings}

        def scored(setting: Setting) -> Tensor:
            variant, rate = setting
            draws = [variants[variant](images_per_class, i) for i in range(1, self.students)]
            others = [train((*draw, rate), purpose=f"{name} {i}") for i, draw in enumerate(draws, 1)]
            return torch.cat([students(self.data.test) for students in (candidates[setting], *others)])

        return self._best(candidates, scored)

    def control_steps(self, protocol: StudentTraining, settings: int) -> int:
        """How many student steps :meth:`control` takes with that many variants times learning rates."""
        return protocol.steps * (self.students + settings - 1)

    def tuned_steps(self, protocol: StudentTraining, settings: int) -> int:
        """How many student steps :meth:`tuned` takes with that many learning rates."""
        return protocol.steps * (self.students + (settings if settings > 1 else 0))

    def _best(
        self, candidates: Mapping[Setting, Callable[[ClassBank], Tensor]], scored: Callable[[Setting], Tensor]
    ) -> Row:
        """The row of the setting that validation puts first; of the next when a student of the score diverges."""
        ranking = {next(iter(candidates)): math.nan}
        if len(candidates) > 1:  # else there is nothing to choose
            ranking = rank_by_validation(candidates, lambda setting: [self._validated(candidates[setting])])
        for setting in ranking:
            try:
                probabilities = scored(setting)
            except StudentDivergedError as error:
                warnings.warn(f"{error} The next best takes its place, if there is one.", stacklevel=3)
                continue
            tried = {
                str(rate): score for (of, rate), score in ranking.items() if of == setting[0] and len(candidates) > 1
            }
            return Row(probabilities, setting[1], setting[0], tried)
        raise StudentDivergedError(min(rate for _, rate in candidates))

    def _validated(self, students: Callable[[ClassBank], Tensor]) -> float:
        bank = self.data.validation
        return balanced_accuracy(students(bank)[0].double().numpy(), bank.labels.cpu().numpy())
