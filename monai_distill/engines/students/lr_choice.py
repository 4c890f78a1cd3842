"""Students of any training set, and the learning rate that suits them, chosen on validation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.networks import FlatNetwork
from monai_distill.runtime.image_blocks import Images

from .student_evaluator import StudentEvaluator
from .student_training import StudentDivergedError, StudentTraining

__all__ = ["lr_candidates", "rank_by_validation", "score_students"]

CLOSE = 1.1  # learning rates within this factor are one candidate

Candidate = TypeVar("Candidate", float, tuple[int, float])


def score_students(
    training_set: tuple[Images, Tensor, float],
    network: FlatNetwork,
    protocol: StudentTraining,
    bank: ClassBank,
    *,
    students: int,
    seed: int,
    purpose: str = "score",
    metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
    on_step: Callable[[int], object] = lambda steps: None,
) -> dict[str, list[float]]:
    """Train fresh students on a set and score each on ``bank``: one value per student and metric.

    Args:
        training_set: images [n, channels, *spatial], class numbers [n] or logits [n, classes], and the learning rate.
        network: the students' architecture.
        protocol: how they are trained.
        bank: the held-out images.
        students: how many, trained together where that is faster.
        seed: seed of the run.
        purpose: distinguishes the seeds of selection from those of a score.
        metrics: as of :class:`StudentEvaluator`.
        on_step: called with the number of student steps done, for a progress bar.

    Raises:
        StudentDivergedError: when the learning rate is too large.

    Example:
        >>> import torch
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> bank = ClassBank(torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> values = score_students((bank.images, bank.labels, 0.01), network, protocol, bank, students=2, seed=0)
        >>> len(values["accuracy"])
        2
    """
    evaluator = StudentEvaluator(
        lambda: training_set,
        network,
        protocol,
        bank,
        students=students,
        seed=seed,
        purpose=purpose,
        metrics=None if metrics is None else dict(metrics),
        on_step=lambda: on_step(students),
    )
    evaluator.run()
    return {name: metric.values for name, metric in evaluator.student_metrics.items()}


def rank_by_validation(
    candidates: Iterable[Candidate], scores: Callable[[Candidate], Sequence[float]]
) -> dict[Any, float]:
    """Mean validation score per candidate, the best first (of equal ones the smaller); diverging ones are left out.

    A candidate that lets a student diverge is worse than any other: a warning names it and the others go on.

    Args:
        candidates: learning rates, or other settings that can be sorted.
        scores: trains students with one of them and returns their scores on the validation images.

    Returns:
        Empty when all diverge.

    Example:
        >>> rank_by_validation([0.1, 0.01, 0.2], lambda rate: [1.0, 1.0] if rate == 0.1 else [0.0, 1.0])
        {0.1: 1.0, 0.01: 0.5, 0.2: 0.5}
    """
    means = {}
    for candidate in sorted(set(candidates)):
        try:
            means[candidate] = float(np.mean(scores(candidate)))
        except StudentDivergedError as error:
            warnings.warn(f"{error} It counts as the worst candidate.", stacklevel=2)
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def lr_candidates(learned: float, given: Iterable[float]) -> list[float]:
    """The learning rates to try: the given ones, and the learned one unless a given one is within ten percent of it.

    Two learning rates that close train students that differ less than two seeds do, so one of them is enough; it is the
    given one, with which what was trained for another set can be used again.

    Example:
        >>> lr_candidates(0.0091, [0.01]), lr_candidates(0.02, [0.1, 0.01])
        ([0.01], [0.01, 0.02, 0.1])
    """
    given = sorted(set(given))
    near = any(max(rate, learned) <= CLOSE * min(rate, learned) for rate in given)
    return given if near else sorted([*given, learned])
