"""The one look at the test images: the distilled set beside the controls that put its score in place."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from monai_distill.data import ClassBank, SplitBanks, SyntheticDataset, random_subset
from monai_distill.metrics import summary
from monai_distill.networks import FlatNetwork
from monai_distill.randomness import seeded_generator

from .student_evaluator import StudentEvaluator
from .student_training import StudentTraining

__all__ = ["Scorecard"]

TrainingSet = tuple[Tensor, Tensor, float]


class Scorecard:
    """Trains students on the distilled set, on random real subsets of its size and on all data, and tests them once.

    The same protocol for all. The distilled set is used with its learned step size. A control has none; it gets the
    one of
    ``step_sizes`` or the learned one that is best on validation, so that no row suffers from a bad step size. Every
    random student has a draw of its own. ``prior`` is what always answering the most frequent training class scores.

    Args:
        data: training, validation and test images.
        network: the students' architecture.
        protocol: how students are trained.
        students: fresh networks per row.
        full_protocol: the protocol for all data; by default the same.
        full_students: fresh networks on all data, the dearest row.
        step_sizes: candidates for the controls, beside the learned step size.
        seed: seed of the run.

    Example:
        >>> from monai_distill.networks import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> from monai_distill.data import DigitsDataset
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
        >>> card = Scorecard(data, network, StudentTraining(SiameseAugment(()), steps=2), students=2, full_students=2)
        >>> sorted(card.run(SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)))
        ['distilled', 'full', 'prior', 'random']
    """

    def __init__(
        self,
        data: SplitBanks,
        network: FlatNetwork,
        protocol: StudentTraining,
        *,
        students: int = 5,
        full_protocol: StudentTraining | None = None,
        full_students: int = 3,
        step_sizes: Sequence[float] = (0.01,),
        seed: int = 0,
    ) -> None:
        if students < 1 or full_students < 0 or not step_sizes:
            raise ValueError(f"Expected students of at least 1 and a step size, got {students} and {list(step_sizes)}.")
        self.data = data
        self.network = network
        self.protocol = protocol
        self.full_protocol = protocol if full_protocol is None else full_protocol
        self.students = students
        self.full_students = full_students
        self.step_sizes = tuple(step_sizes)
        self.seed = seed

    def run(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        """Score ``synthetic`` and its controls on the test images.

        Returns:
            ``distilled``, ``random``, ``full`` (metric -> mean, std, interval95, values; and the step size used) and
            ``prior``.
        """
        learned = float(synthetic.step_size.detach())
        own = synthetic.training_set()
        draws = [self._random(synthetic, i) for i in range(self.students)]
        candidates = sorted({learned, *self.step_sizes})
        shared = self.protocol.steps * (2 * self.students + len(candidates))
        total = shared + self.full_protocol.steps * self.full_students
        with tqdm(total=total, desc="scores", unit="step", disable=None) as bar:
            steps = bar.update  # counts student steps
            distilled = self._values(own, self.data.test, self.protocol, self.students, "score", steps)
            best = max(candidates, key=lambda rate: self._validated((*draws[0], rate), steps))
            rows = [
                self._values((*draw, best), self.data.test, self.protocol, 1, f"random {i}", steps)
                for i, draw in enumerate(draws)
            ]
            random = {name: [value for row in rows for value in row[name]] for name in distilled}
            result = {
                "distilled": {**_summaries(distilled), "step_size": learned},
                "random": {**_summaries(random), "step_size": best},
            }
            if self.full_students:
                everything = (self.data.training.images, self.data.training.labels, self.step_sizes[0])
                full = self._values(everything, self.data.test, self.full_protocol, self.full_students, "full", steps)
                result["full"] = {**_summaries(full), "step_size": self.step_sizes[0]}
        return {**result, "prior": {"accuracy": self._prior()}}

    def _random(self, synthetic: SyntheticDataset, draw: int) -> tuple[Tensor, Tensor]:
        largest = int(torch.bincount(synthetic.labels).max())
        return random_subset(self.data.training, largest, seeded_generator(self.seed, "random subset", draw))

    def _validated(self, candidate: TrainingSet, on_step: Callable[[int], object]) -> float:
        return self._values(candidate, self.data.validation, self.protocol, 1, "choice", on_step)["accuracy"][0]

    def _values(
        self,
        training_set: TrainingSet,
        bank: ClassBank,
        protocol: StudentTraining,
        students: int,
        purpose: str,
        on_step: Callable[[int], object],
    ) -> dict[str, list[float]]:
        evaluator = StudentEvaluator(
            lambda: training_set,
            self.network,
            protocol,
            bank,
            students=students,
            seed=self.seed,
            purpose=purpose,
            on_step=lambda: on_step(students),
        )
        evaluator.run()
        return {name: metric.values for name, metric in evaluator.student_metrics.items()}

    def _prior(self) -> float:
        most_frequent = max(range(self.data.training.num_classes), key=lambda c: self.data.training.counts[c])
        return self.data.test.counts[most_frequent] / len(self.data.test)


def _summaries(values: dict[str, list[float]]) -> dict[str, Any]:
    return {name: summary(row) for name, row in values.items()}
