"""Other ways to train on the same images: teacher's labels, GIFT and CutMix, each a column of its own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.engines.students.lr_choice import lr_candidates
from monai_distill.engines.students.score_rows import ScoreRows
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.engines.students.student_variant import StudentVariant
from monai_distill.engines.students.teacher import Teacher
from monai_distill.losses.gift_loss import cosine_loss, refined_labels
from monai_distill.metrics.score_record import Cell, ProtocolResult, ScoreRow, Table
from monai_distill.metrics.score_tables import METRIC_TITLES
from monai_distill.runtime.progress import open_progress_bar
from monai_distill.runtime.validation import require_in_interval, require_positive_int

from .scorecard import Scorecard

__all__ = ["TrainingVariants"]

EXPLANATION = (
    "Each way of training has a learning rate of its own, chosen on validation. Labels that the set itself has are not "
    "used here. A teacher's labels come from a network that was trained on all training images: they carry knowledge "
    "that the images do not have, for the random images too, and can reveal more of the training images."
)
Labeled = Callable[[Tensor, Tensor], Tensor]


class Way(NamedTuple):
    """A protocol, and a function of images and class numbers to its targets [n, classes]."""

    protocol: StudentTraining
    targets: Labeled


class TrainingVariants:
    """Scores the distilled set and as many random real images by four ways of training.

    ``hard``: class numbers; ``cutmix``: these and CutMix; ``teacher``: probabilities of a teacher; ``gift``: refined
    labels of the teacher and the cosine loss. Every way has the same images, steps and augmentation.

    References:
        GIFT: Shang et al., ICLR 2025, https://arxiv.org/abs/2405.14736. CutMix: Yun et al., ICCV 2019,
        https://arxiv.org/abs/1905.04899. Qin et al., A Label is Worth a Thousand Images in Dataset Distillation,
        NeurIPS 2024, https://arxiv.org/abs/2406.10485 (random images with a teacher's labels as the control).

    Args:
        scorecard: the scorecard that the set was scored with.
        teacher: gives the soft labels.
        students: networks per column and row.
        cutmix: share of the batches that CutMix mixes.
        hard_share: of the hard labels in GIFT's refined ones.
        lrs: candidate learning rates, next to the learned one.

    Raises:
        ValueError: if there is no student or no learning rate, or a share is not from 0 to 1.

    Example:
        >>> import torch
        >>> from monai_distill.data import SplitBanks, random_subset
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks import FlatNetwork
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
        >>> card = Scorecard(data, network, StudentTraining(SiameseAugment(()), steps=2))
        >>> teacher = Teacher(network, data.training, card.protocol)
        >>> synthetic = SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)
        >>> list(TrainingVariants(card, teacher, students=1, lrs=(0.01,)).run(synthetic)["figures"]["distilled"])
        ['hard', 'cutmix', 'teacher', 'gift']
    """

    def __init__(
        self,
        scorecard: Scorecard,
        teacher: Teacher,
        *,
        students: int = 5,
        cutmix: float = 0.5,
        hard_share: float = 0.1,
        lrs: Sequence[float] = (0.01, 0.1),
    ) -> None:
        require_positive_int(students=students, learning_rates=len(lrs))
        require_in_interval("[0, 1]", cutmix=cutmix, hard_share=hard_share)
        self.scorecard = scorecard
        self.teacher = teacher
        self.students = students
        self.cutmix = cutmix
        self.hard_share = hard_share
        self.lrs = tuple(lrs)

    def ways(self) -> dict[str, Way]:
        """The ways of training by name."""
        classes, base = len(self.scorecard.data.class_names), self.scorecard.protocol

        def hard(images: Tensor, labels: Tensor) -> Tensor:
            return F.one_hot(labels, classes).float()

        def soft(images: Tensor, labels: Tensor) -> Tensor:
            return self.teacher.logits(images, labels).softmax(dim=1)

        def refined(images: Tensor, labels: Tensor) -> Tensor:
            return refined_labels(self.teacher.logits(images, labels), labels, self.hard_share)

        return {
            "hard": Way(StudentVariant(base), hard),
            "cutmix": Way(StudentVariant(base, cutmix=self.cutmix), hard),
            "teacher": Way(StudentVariant(base), soft),
            "gift": Way(StudentVariant(base, loss=cosine_loss), refined),
        }

    def run(self, synthetic: SyntheticDataset) -> ProtocolResult:
        """Score every way of training on the test images.

        Returns:
            ``figures``: ``distilled`` and ``random`` (way -> metric -> summary; learning rate) and ``protocol``.

        Raises:
            StudentDivergedError: if students diverge at every learning rate.
        """
        card, ways = self.scorecard, self.ways()
        images, _, learned = synthetic.training_set()
        lrs = lr_candidates(learned, self.lrs)
        distilled: dict[str, ScoreRow] = {}
        random: dict[str, ScoreRow] = {}
        labels = card.data.test.labels
        with open_progress_bar(0, "training variants", "step") as bar:
            rows = ScoreRows(
                card.data, card.network, students=self.students, seed=card.seed, cache=card.cache, on_step=bar.update
            )
            for name, way in ways.items():
                steps = rows.tuned_steps(way.protocol, len(lrs)) + rows.control_steps(way.protocol, len(lrs))
                bar.total = len(ways) * steps
                targets = way.targets(images, synthetic.labels)
                distilled[name] = rows.tuned(images, targets, way.protocol, lrs).scores(labels)

                def drawn(_: int, trial: int, label: Labeled = way.targets) -> tuple[Tensor, Tensor]:
                    real, numbers = card.random_like(synthetic, trial)
                    return real, label(real, numbers)

                random[name] = rows.control("random", [drawn], 0, way.protocol, lrs).scores(labels)
        settings = {"students": self.students, "lrs": lrs, "hard_share": self.hard_share}
        protocol = {**settings, **{name: way.protocol.config() for name, way in ways.items()}}
        return {
            "title": "Other ways to train on the images",
            "figures": {"distilled": distilled, "random": random, "protocol": protocol},
            "paragraphs": [EXPLANATION],
            "tables": [_table(distilled, random)],
        }


TITLES = {
    "hard": "hard labels",
    "cutmix": "hard labels, CutMix",
    "teacher": "a teacher's labels",
    "gift": "GIFT: refined labels of the teacher, cosine loss",
}


def _table(distilled: dict[str, ScoreRow], random: dict[str, ScoreRow]) -> Table:
    lines: list[list[Cell]] = []
    for name, title in TITLES.items():
        for kind, row in (("distilled", distilled[name]), ("random real", random[name])):
            lines.append([title, kind, *(row[metric] for metric in METRIC_TITLES), f"{row['lr']:.3g}"])
    return {
        "title": "Ways to train on the distilled images and on as many random real images",
        "header": ["students have", "trained on", *METRIC_TITLES.values(), "learning rate"],
        "rows": lines,
    }
