"""The rows of a score table: students of a set, or of a control of its size, and their predictions."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_distill.data.split_banks import SplitBanks
from monai_distill.metrics.classification import balanced_accuracy
from monai_distill.metrics.score_logits import score_logits
from monai_distill.metrics.score_record import ScoreRow
from monai_distill.networks.factories import factory_config
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.result_cache import ResultCache

from .lr_choice import rank_by_validation
from .scoring import TrainingSet, student_seeds
from .student_training import StudentDivergedError, StudentTraining
from .students import Students

__all__ = ["Control", "Row", "ScoreRows"]

Control = Callable[[int, int], tuple[Tensor, Tensor]]
Setting = tuple[int, float]  # variant, learning rate
DISTILLED = "score"  # purpose of the students of a distilled set


class Row(NamedTuple):
    """Logits [students, n, classes] on the test images, the learning rate used, and the variant of a control.

    ``validation``: balanced accuracy of every learning rate that was tried, the best first; empty without a choice.
    """

    logits: Tensor
    lr: float
    variant: int = 0
    validation: Mapping[str, float] = {}

    def scores(self, labels: Tensor) -> ScoreRow:
        """The metrics of the table against the labels [n], and the learning rate."""
        return {**score_logits(self.logits, labels), "lr": self.lr}


class ScoreRows:
    """Trains the students of every row in the same way and chooses the settings of controls on validation.

    A control is a function of (images per class, number of the trial) to images and targets (class numbers or logits).
    It sees training images only. Every student of its row has its own trial. A control has no learned learning rate:
    it gets the candidate that is best on validation for the row's first student, so that no row suffers from a bad
    learning rate. If a control has several variants, it gets the best of them. The first student is not trained again.
    The choice uses balanced accuracy, as the selection of the distilled set does: plain accuracy would choose settings
    that predict one class only on unbalanced data. A candidate that diverges is the worst.

    Args:
        data: validation images choose, test images score.
        network: the students' architecture.
        students: fresh networks per row.
        seed: seed of the run.
        cache: stores predictions.
        on_step: called with the number of student steps that are done, for a progress bar.

    Raises:
        TypeError: if the cache has a folder and the network's factory is not a ``functools.partial`` of a class with
            keyword arguments, because such networks cannot be distinguished.

    Example:
        >>> from monai_distill.data import random_subset
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.runtime.randomness import seeded_generator
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
        >>> rows = ScoreRows(data, network, students=2)
        >>> control = lambda n, trial: random_subset(data.training, n, seeded_generator(0, "random subset", trial))
        >>> rows.control("random", [control], 1, StudentTraining(SiameseAugment(()), steps=2), [0.01]).lr
        0.01
    """

    def __init__(
        self,
        data: SplitBanks,
        network: FlatNetwork,
        *,
        students: int = 5,
        seed: int = 0,
        cache: ResultCache | None = None,
        on_step: Callable[[int], object] = lambda count: None,
    ) -> None:
        if cache is not None and cache.folder is not None:
            factory_config(network.factory)  # refuses an unnamed network before any work
        self.data = data
        self.network = network
        self.students = students
        self.seed = seed
        self.cache = cache
        self.on_step = on_step

    def trained(
        self, training_set: TrainingSet, protocol: StudentTraining, *, purpose: str = DISTILLED, students: int = 1
    ) -> Students:
        """Students of one training set; ``purpose`` distinguishes their seeds. Controls are shared between runs."""
        seeds = student_seeds(self.seed, purpose, students)
        share = purpose != DISTILLED
        return Students(
            self.network, training_set, protocol, seeds, cache=self.cache, share=share, on_step=self.on_step
        )

    def trained_on(
        self,
        training_set: TrainingSet,
        protocol: StudentTraining,
        *,
        purpose: str = DISTILLED,
        students: int | None = None,
    ) -> Row:
        """The row of one training set with its own learning rate."""
        count = self.students if students is None else students
        trained = self.trained(training_set, protocol, purpose=purpose, students=count)
        return Row(trained.logits(self.data.test), training_set[2])

    def tuned(self, images: Tensor, targets: Tensor, protocol: StudentTraining, lrs: Sequence[float]) -> Row:
        """The row of one training set; its learning rate is the best on validation, as in :meth:`control`."""
        return self._best(
            {(0, lr): self.trained((images, targets, lr), protocol, purpose="choice") for lr in lrs},
            lambda setting: [self.trained((images, targets, setting[1]), protocol, students=self.students)],
        )

    def control(
        self,
        name: str,
        variants: Sequence[Control],
        images_per_class: int,
        protocol: StudentTraining,
        lrs: Sequence[float],
    ) -> Row:
        """The row of a control of ``images_per_class``; ``name`` distinguishes its students' seeds.

        Raises:
            StudentDivergedError: if students diverge with every variant and learning rate.
        """
        first = [variant(images_per_class, 0) for variant in variants]
        candidates = {
            (number, lr): self.trained((*first[number], lr), protocol, purpose=f"{name} 0")
            for number, lr in itertools.product(range(len(variants)), lrs)
        }

        def students_of(setting: Setting) -> list[Students]:
            number, lr = setting
            others = [
                self.trained((*variants[number](images_per_class, i), lr), protocol, purpose=f"{name} {i}")
                for i in range(1, self.students)
            ]
            return [candidates[setting], *others]

        return self._best(candidates, students_of)

    def control_steps(self, protocol: StudentTraining, settings: int) -> int:
        """The number of student steps of :meth:`control` with that many variants times learning rates."""
        return protocol.steps * (self.students + settings - 1)

    def tuned_steps(self, protocol: StudentTraining, settings: int) -> int:
        """The number of student steps of :meth:`tuned` with that many learning rates."""
        return protocol.steps * (self.students + (settings if settings > 1 else 0))

    def _best(
        self, candidates: Mapping[Setting, Students], students_of: Callable[[Setting], Sequence[Students]]
    ) -> Row:
        """The row of the setting that is best on validation; of the next best if a scored student diverges."""
        ranking = {next(iter(candidates)): math.nan}
        if len(candidates) > 1:  # a single candidate needs no choice
            ranking = rank_by_validation(candidates, lambda setting: self._validated(candidates[setting]))
        for setting in ranking:
            try:
                logits = torch.cat([students.logits(self.data.test) for students in students_of(setting)])
            except StudentDivergedError as error:
                warnings.warn(f"{error} The next best takes its place, if there is one.", stacklevel=3)
                continue
            tried = {str(lr): score for (of, lr), score in ranking.items() if of == setting[0] and len(candidates) > 1}
            return Row(logits, setting[1], setting[0], tried)
        raise StudentDivergedError(min(lr for _, lr in candidates))

    def _validated(self, students: Students) -> float:
        bank = self.data.validation
        probabilities = students.logits(bank)[0].softmax(dim=1)
        return balanced_accuracy(probabilities.double().numpy(), bank.labels.cpu().numpy())
