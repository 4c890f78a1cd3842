"""The one look at the test images: the distilled set beside the controls that put its score in place."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from monai_distill.data import SplitBanks, SyntheticDataset, random_subset
from monai_distill.engines.students import Row, ScoreRows, StudentPredictions, StudentTraining, lr_candidates
from monai_distill.networks import FlatNetwork
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.runtime.validation import is_int_at_least, is_positive_int

__all__ = ["Scorecard"]


class Scorecard:
    """Trains students on the distilled set, on random real subsets of its size and on all data, and tests them once.

    The same protocol for all. The distilled set is used with its learned learning rate. A control has none; it gets the
    one of ``lrs`` or the learned one that is best on validation, so that no row suffers from a bad learning rate.
    Every random student has a draw of its own. ``prior`` is what always answering the most frequent training class
    scores. What a student predicted is kept in ``folder``: an interrupted scoring goes on where it stopped, and runs
    that share a folder train a control once.

    Args:
        data: training, validation and test images.
        network: the students' architecture.
        protocol: how students are trained.
        students: fresh networks per row.
        full_protocol: the protocol for all data; by default the same.
        full_students: fresh networks on all data, the dearest row.
        lrs: candidates for the controls, beside the learned learning rate.
        seed: seed of the run.
        folder: where predictions are kept (see :class:`StudentPredictions`); None keeps none.

    Raises:
        TypeError: for data that are no ``SplitBanks``, or a network that is no ``FlatNetwork``.
        ValueError: for no students or no learning rate.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> from monai_distill.data.datasets import DigitsDataset
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
        lrs: Sequence[float] = (0.01,),
        seed: int = 0,
        folder: str | Path | None = None,
    ) -> None:
        if not isinstance(data, SplitBanks) or not isinstance(network, FlatNetwork):
            raise TypeError(
                "Expected data as SplitBanks and network as FlatNetwork(function that makes one), got "
                f"{type(data).__name__} and {getattr(network, '__name__', type(network).__name__)}."
            )
        if not (is_positive_int(students) and is_int_at_least(full_students, 0) and lrs):
            raise ValueError(f"Expected students of at least 1 and a learning rate, got {students} and {list(lrs)}.")
        self.data = data
        self.protocol = protocol
        self.full_protocol = protocol if full_protocol is None else full_protocol
        self.students = students
        self.full_students = full_students
        self.lrs = tuple(lrs)
        self.seed = seed
        self.folder = folder
        self.predictions = StudentPredictions(network, seed=seed, folder=folder)

    def run(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        """Score ``synthetic`` and its controls on the test images.

        Returns:
            ``distilled``, ``random``, ``full`` (metric -> mean, std, interval95, values; and the learning rate used)
            and ``prior``.
        """
        candidates = self.candidates(synthetic)
        plan = self.rows()
        total = self.students * self.protocol.steps + plan.control_steps(self.protocol, len(candidates))
        with tqdm(
            total=total + self.full_students * self.full_protocol.steps, desc="scores", unit="step", disable=None
        ) as bar:
            rows = self.rows(bar.update)  # counts student steps
            found = {
                "distilled": rows.trained_on(synthetic.training_set(), self.protocol),
                "random": rows.control("random", [self.random], self.size(synthetic), self.protocol, candidates),
            }
            if self.full_students:
                found["full"] = self.full(rows)
        result: dict[str, Any] = {name: row.scores(self.data.test.labels) for name, row in found.items()}
        return {**result, "prior": self.prior()}

    def rows(self, on_step: Callable[[int], object] = lambda count: None) -> ScoreRows:
        """What trains the students of every row."""
        return ScoreRows(self.data, self.predictions, students=self.students, on_step=on_step)

    def candidates(self, synthetic: SyntheticDataset) -> list[float]:
        """Learning rates that a control may have."""
        return lr_candidates(float(synthetic.student_lr.detach()), self.lrs)

    def size(self, synthetic: SyntheticDataset) -> int:
        """Images per class of a control: as many as the largest class of the set has."""
        return int(torch.bincount(synthetic.labels).max())

    def random(self, images_per_class: int, draw: int) -> tuple[Tensor, Tensor]:
        """The control without any idea: random training images and their class numbers."""
        return random_subset(self.data.training, images_per_class, seeded_generator(self.seed, "random subset", draw))

    def full(self, rows: ScoreRows) -> Row:
        """The row of all training images."""
        everything = (self.data.training.images, self.data.training.labels, self.lrs[0])
        return rows.trained_on(everything, self.full_protocol, purpose="full", students=self.full_students)

    def prior(self) -> dict[str, float]:
        """What always answering the most frequent training class scores."""
        most_frequent = max(range(self.data.training.num_classes), key=lambda c: self.data.training.counts[c])
        return {"accuracy": self.data.test.counts[most_frequent] / len(self.data.test)}
