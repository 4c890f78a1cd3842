"""The score table: the distilled set and the controls that place its score, on the test images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from monai_distill.data.initial_images import packed_subset, random_subset
from monai_distill.data.split_banks import SplitBanks
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.engines.students.lr_choice import lr_candidates
from monai_distill.engines.students.score_rows import Row, ScoreRows
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.metrics.group_scores import group_scores
from monai_distill.metrics.score_record import Prior, RunScores
from monai_distill.networks.factories import factory_config
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.progress import open_progress_bar
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.runtime.result_cache import ResultCache
from monai_distill.runtime.validation import require_int_at_least, require_positive_int

__all__ = ["Scorecard"]


class Scorecard:
    """Trains students on the distilled set, on random real subsets of its size and on all data, and tests them once.

    All rows use the same protocol. The distilled set is used with its learned learning rate. A control gets the
    learned rate or a candidate of ``lrs``, whichever is best on validation, so that no row suffers from a bad learning
    rate. Every random student has its own subset. ``prior`` is the score of always answering the most frequent
    training class. Predictions are cached in ``folder``: an interrupted scoring continues where it stopped, and runs
    that share a folder train a control once. Further protocols take a scorecard and share its data and its cache.

    Args:
        data: training, validation and test images.
        network: the students' architecture.
        protocol: how students are trained.
        students: fresh networks per row.
        full_protocol: how networks on all data are trained; by default the same.
        full_students: networks trained on the full data, the most expensive row; 0 leaves the row out.
        seed: seed of the run.
        folder: folder of cached predictions, or the cache; None disables the cache.

    Attributes:
        lrs: the candidates for the controls, next to the learned learning rate; 0.01.

    Raises:
        TypeError: if ``data`` is not a ``SplitBanks`` or ``network`` is not a ``FlatNetwork``.
        ValueError: if there is no student.

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
        seed: int = 0,
        folder: str | Path | ResultCache | None = None,
    ) -> None:
        if not isinstance(data, SplitBanks) or not isinstance(network, FlatNetwork):
            raise TypeError(
                "Expected data as SplitBanks and network as FlatNetwork(function that makes one), got "
                f"{type(data).__name__} and {getattr(network, '__name__', type(network).__name__)}."
            )
        require_positive_int(students=students)
        require_int_at_least(0, full_students=full_students)
        self.cache = folder if isinstance(folder, ResultCache) else ResultCache(folder)
        if self.cache.folder is not None:
            factory_config(network.factory)  # refuses an unnamed network before any work
        self.data = data
        self.network = network
        self.protocol = protocol
        self.full_protocol = protocol if full_protocol is None else full_protocol
        self.students = students
        self.full_students = full_students
        self.lrs: Sequence[float] = (0.01,)
        self.seed = seed

    def run(self, synthetic: SyntheticDataset) -> RunScores:
        """Score ``synthetic`` and its controls on the test images.

        Returns:
            ``distilled``, ``random``, ``full`` (metric -> mean, std, interval95, values; and the learning rate used)
            and ``prior``; for a set whose canvases hold several images also ``controls``, see
            :meth:`decode_controls`; ``groups`` where the test images have columns, see
            :func:`~monai_distill.metrics.group_scores.group_scores`.
        """
        candidates = self.candidates(synthetic)
        plan = self.rows()
        controls = 1 if synthetic.decode.is_identity else 3
        total = self.students * self.protocol.steps + controls * plan.control_steps(self.protocol, len(candidates))
        with open_progress_bar(total + self.full_students * self.full_protocol.steps, "scores", "step") as bar:
            rows = self.rows(bar.update)  # counts student steps
            distilled = rows.trained_on(synthetic.training_set(), self.protocol)
            random = rows.control("random", [self.random], self.size(synthetic), self.protocol, candidates)
            decoded = self.decode_controls(synthetic, rows)
            full = self.full(rows) if self.full_students else None
        labels = self.data.test.labels
        scores: RunScores = {"distilled": distilled.scores(labels), "random": random.scores(labels)}
        if full is not None:
            scores["full"] = full.scores(labels)
        scores["prior"] = self.prior()
        if decoded:
            scores["controls"] = {name: row.scores(labels) for name, row in decoded.items()}
        trained = {"distilled": distilled, "random": random, **({} if full is None else {"full": full})}
        groups = group_scores({name: row.logits for name, row in trained.items()}, labels, self.data.test_columns)
        if groups:
            scores["groups"] = groups
        return scores

    def rows(self, on_step: Callable[[int], object] = lambda count: None) -> ScoreRows:
        """The trainer of the rows; ``on_step`` is called with the number of student steps that are done."""
        return ScoreRows(
            self.data, self.network, students=self.students, seed=self.seed, cache=self.cache, on_step=on_step
        )

    def candidates(self, synthetic: SyntheticDataset) -> list[float]:
        """The candidate learning rates of a control."""
        return lr_candidates(float(synthetic.student_lr.detach()), self.lrs)

    def size(self, synthetic: SyntheticDataset) -> int:
        """Images per class of a control: as many as the largest class of the set stores."""
        return int(torch.bincount(synthetic.canvas_labels).max())

    def random(self, images_per_class: int, trial: int) -> tuple[Tensor, Tensor]:
        """The random control: training images drawn at random and their class numbers."""
        return random_subset(self.data.training, images_per_class, seeded_generator(self.seed, "random subset", trial))

    def random_like(self, synthetic: SyntheticDataset, trial: int) -> tuple[Tensor, Tensor]:
        """Random training images, as many per class as ``synthetic`` stores, and their class numbers."""
        counts = torch.bincount(synthetic.canvas_labels, minlength=self.data.training.num_classes).tolist()
        return random_subset(self.data.training, counts, seeded_generator(self.seed, "random subset", trial))

    def decode_controls(self, synthetic: SyntheticDataset, rows: ScoreRows) -> dict[str, Row]:
        """The rows that show how much of a score the decode alone gives; none for a set without one.

        Returns:
            ``packed``: as many canvases, filled with shrunk random training images and decoded like the set.
            ``random_effective``: as many random training images as are decoded, which store several times as much.
        """
        if synthetic.decode.is_identity:
            return {}

        def packed(images_per_class: int, trial: int) -> tuple[Tensor, Tensor]:
            generator = seeded_generator(self.seed, "packed subset", trial)
            return packed_subset(self.data.training, images_per_class, generator, synthetic)

        candidates, stored = self.candidates(synthetic), self.size(synthetic)
        effective = int(torch.bincount(synthetic.labels).max())
        return {
            "packed": rows.control("packed", [packed], stored, self.protocol, candidates),
            "random_effective": rows.control("random effective", [self.random], effective, self.protocol, candidates),
        }

    def full(self, rows: ScoreRows) -> Row:
        """The row of all training images."""
        training_set = (self.data.training.images, self.data.training.labels, self.lrs[0])
        return rows.trained_on(training_set, self.full_protocol, purpose="full", students=self.full_students)

    def prior(self) -> Prior:
        """The score of always answering the most frequent training class."""
        most_frequent = max(range(self.data.training.num_classes), key=lambda c: self.data.training.counts[c])
        return {"accuracy": self.data.test.counts[most_frequent] / len(self.data.test)}
