"""Class-incremental learning with a distilled set as the memory."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.engines.students.lr_choice import lr_candidates, rank_by_validation
from monai_distill.engines.students.scoring import student_seeds
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.engines.students.students import Students
from monai_distill.metrics.classification import SCORES, balanced_accuracy
from monai_distill.metrics.score_logits import score_values
from monai_distill.metrics.score_record import ProtocolResult
from monai_distill.runtime.progress import open_progress_bar
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.runtime.validation import require_positive_int

from .class_memory import classes_subset, masked_score, memory_of_classes
from .continual_result import MEMORIES, continual_result, summarized_steps
from .scorecard import Scorecard

__all__ = ["ContinualLearning"]


class _Memory(NamedTuple):
    """Images [n, channels, *spatial], targets (class numbers [n] or logits [n, K]), class numbers [n], lr."""

    images: Tensor
    targets: Tensor
    labels: Tensor
    lr: float


class ContinualLearning:
    """Class-incremental learning from a memory alone: the distilled set, or random real images of the same number.

    References:
        Prabhu et al., GDumb, ECCV 2020, https://doi.org/10.1007/978-3-030-58536-5_31 (after every step a network is
        trained from scratch on the memory of all classes seen so far); Zhao and Bilen, Dataset Condensation with
        Distribution Matching, WACV 2023, https://arxiv.org/abs/2110.04181 (a distilled memory).

    Deviations:
        - The memory of a step is the part of the finished distilled set whose classes were seen. All classes were
          distilled together, so an early step may profit from classes that it does not know.
        - Learned labels lose their logits of unseen classes. Predictions are of seen classes only, as GDumb masks them;
          the loss is not masked.
        - The distilled memory uses its learned learning rate. The random memory gets the one of the learned and the
          given that is best on validation with all classes, as in the scorecard.
        - Every class order has its own random subset.

    Args:
        scorecard: the data, the network, the seed and the cache.
        protocol: how students are trained.
        classes_per_step: new classes per step; the last step may have fewer.
        orders: number of class orders.
        students: fresh networks per order, step and memory.
        lrs: candidates for the random memory, next to the learned learning rate.

    Raises:
        ValueError: if there is no order, student or learning rate, or the classes make a single step.

    Example:
        >>> from monai_distill.data import SplitBanks, random_subset
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks import FlatNetwork
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> card = Scorecard(data, FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1)), protocol)
        >>> learner = ContinualLearning(card, protocol, classes_per_step=5, orders=1, students=1)
        >>> synthetic = SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)
        >>> [step["classes_seen"] for step in learner.run(synthetic)["figures"]["steps"]]
        [5, 10]
    """

    def __init__(
        self,
        scorecard: Scorecard,
        protocol: StudentTraining,
        *,
        classes_per_step: int = 2,
        orders: int = 5,
        students: int = 3,
        lrs: Sequence[float] = (0.01,),
    ) -> None:
        require_positive_int(orders=orders, students=students)
        if not lrs:
            raise ValueError("Expected lrs of at least 1 learning rate, got none. Give some, such as [0.01].")
        classes = len(scorecard.data.class_names)
        if not 1 <= classes_per_step < classes:
            raise ValueError(
                f"Expected classes_per_step from 1 to {classes - 1}, got {classes_per_step}: with {classes} classes "
                "there must be at least two steps."
            )
        self.scorecard = scorecard
        self.protocol = protocol
        self.classes_per_step = classes_per_step
        self.orders = orders
        self.students = students
        self.lrs = tuple(lrs)

    def class_orders(self) -> list[list[int]]:
        """The orders in which the classes arrive."""
        count = len(self.scorecard.data.class_names)
        return [
            torch.randperm(count, generator=seeded_generator(self.scorecard.seed, "class order", i)).tolist()
            for i in range(self.orders)
        ]

    def run(self, synthetic: SyntheticDataset) -> ProtocolResult:
        """Test both memories after every step.

        Returns:
            ``figures``: by step the number of classes seen and of images in memory (a mean over the orders) and
            ``distilled`` and ``random`` (metric -> summary over orders and students); ``average`` over the steps.

        Raises:
            ValueError: if every learning rate lets a student of the random memory diverge.
        """
        images, targets, learned = synthetic.training_set()
        subsets = [self.scorecard.random_like(synthetic, i) for i in range(self.orders)]
        candidates = lr_candidates(learned, self.lrs)
        names, orders = self.scorecard.data.class_names, self.class_orders()
        ends = [*range(self.classes_per_step, len(names), self.classes_per_step), len(names)]
        steps = len(candidates) + self.students * len(MEMORIES) * len(ends) * self.orders
        values: dict[tuple[str, int], list[dict[str, list[float]]]] = {}
        with open_progress_bar(steps * self.protocol.steps, "continual", "step") as bar:
            lr = self._random_lr(subsets[0], candidates, bar.update)
            for number, (order, (real, labels)) in enumerate(zip(orders, subsets, strict=True)):
                memories = {
                    "distilled": _Memory(images, targets, synthetic.labels, learned),
                    "random": _Memory(real, labels, labels, lr),
                }
                for end in ends:
                    for kind, memory in memories.items():
                        row = self._tested(memory, order[:end], number, bar.update)
                        values.setdefault((kind, end), []).append(row)
        counts = torch.bincount(synthetic.canvas_labels, minlength=len(names)).tolist()
        sizes = [sum(counts[c] for order in orders for c in order[:end]) / self.orders for end in ends]
        return continual_result(
            {
                **summarized_steps(values, ends, sizes),
                "classes_per_step": self.classes_per_step,
                "orders": [[names[c] for c in order] for order in orders],
                "students": self.students,
                "lrs": {"distilled": learned, "random": lr},
                "training": self.protocol.config(),
                "memory": "the part of the finished set whose classes were seen; all classes were distilled together",
            }
        )

    def _students(
        self, training_set: tuple[Tensor, Tensor, float], purpose: str, count: int, on_step: Callable[[int], object]
    ) -> Students:
        card = self.scorecard
        seeds = student_seeds(card.seed, purpose, count)
        return Students(card.network, training_set, self.protocol, seeds, cache=card.cache, on_step=on_step)

    def _random_lr(
        self, subset: tuple[Tensor, Tensor], candidates: Sequence[float], on_step: Callable[[int], object]
    ) -> float:
        """The learning rate of the random memory: the best on validation for one student on all classes."""
        bank = self.scorecard.data.validation

        def score(lr: float) -> float:
            logits = self._students((*subset, lr), "choice", 1, on_step).logits(bank)
            return score_values(logits, bank.labels, {"": balanced_accuracy})[""][0]

        ranking = rank_by_validation(candidates, score)
        if not ranking:
            raise ValueError(f"Every learning rate of {list(candidates)} lets students diverge. Give smaller lrs.")
        return next(iter(ranking))

    def _tested(
        self, memory: _Memory, seen: Sequence[int], order: int, on_step: Callable[[int], object]
    ) -> dict[str, list[float]]:
        """Scores on the test images of the classes seen, of students trained on the memory of these classes."""
        images, targets = memory_of_classes(memory.images, memory.targets, memory.labels, seen)
        bank = classes_subset(self.scorecard.data.test, seen)
        students = self._students((images, targets, memory.lr), f"continual {order}", self.students, on_step)
        metrics = {name: functools.partial(masked_score, seen, score) for name, score in SCORES.items()}
        return score_values(students.logits(bank), bank.labels, metrics)
