"""A MONAI evaluator whose model is trained from scratch at every run: it scores training sets."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.engines.utils import IterationEvents
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.metrics.classification import SCORES
from monai_distill.metrics.score_logits import StudentMetric, summary
from monai_distill.metrics.score_record import ScoreRow
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.image_blocks import block_length, blocks

from .scoring import BATCH, TrainingSet, predict_logits, student_seeds, train_students
from .student_training import StudentDivergedError, StudentTraining

__all__ = ["StudentEvaluator"]


class StudentEvaluator(Evaluator):  # type: ignore[misc]
    """A MONAI ``Evaluator`` that trains fresh students on a set and scores them on held-out images.

    Every run uses the same student seeds, so that two training sets, or one set at two iterations, are compared on
    equal terms. ``engine.state.metrics`` holds the means; :meth:`scores` adds spread, interval and the single values.
    Without MONAI's handlers, :func:`score_students` gives the same scores.

    Args:
        training_set: called at every run; returns (images [n, channels, *spatial], targets, learning rate).
        network: the students' architecture.
        protocol: how the students are trained.
        bank: the held-out images.
        seeds: one per student; by default five, as of :func:`student_seeds`.
        val_handlers: MONAI or ignite handlers. ``engine.state.output`` is a list of dictionaries, as MONAI's evaluators
            give it, with one per student and image: ``{"image": [channels, *spatial], "pred": [classes], "label": [],
            "student": number}``; ``pred`` holds probabilities.
        allow_divergence: if True, a set whose students diverge gets NaN for every metric, so that it is never
            selected, its ``pred`` is NaN, and the first time a warning is given. If False, a
            divergence is an error.

    Raises:
        TypeError: if a dataset is passed instead of a callable that returns the training set.
        ValueError: if there is no student.
        StudentDivergedError: from ``run``, if a student's parameters or predictions become NaN or infinite.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> bank = ClassBank(torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> data = bank.images, bank.labels, 0.01
        >>> evaluator = StudentEvaluator(lambda: data, network, protocol, bank, seeds=student_seeds(students=2))
        >>> evaluator.run()
        >>> len(evaluator.scores()["accuracy"]["values"])
        2
    """

    def __init__(
        self,
        training_set: Callable[[], TrainingSet],
        network: FlatNetwork,
        protocol: StudentTraining,
        bank: ClassBank,
        *,
        seeds: Sequence[int] | None = None,
        val_handlers: Any = None,
        allow_divergence: bool = False,
    ) -> None:
        if isinstance(training_set, SyntheticDataset):
            raise TypeError("Expected a function as training_set, got the set itself. Give synthetic.training_set.")
        self.training_set = training_set
        self.network = network
        self.protocol = protocol
        self.seeds = student_seeds() if seeds is None else list(seeds)
        if not self.seeds:
            raise ValueError("Expected seeds of at least 1 student, got none. Give student_seeds(seed, purpose, 5).")
        self.allow_divergence = allow_divergence
        self._classes = bank.num_classes
        self._warned = False
        self._predicted: tuple[Tensor, Tensor]
        self.student_metrics = {
            name: StudentMetric(score, output_transform=lambda _: self._predicted) for name, score in SCORES.items()
        }
        key, *others = self.student_metrics
        super().__init__(
            device=bank.device,
            val_data_loader=_Batches(bank, _images_of_batch(network, bank)),
            key_val_metric={key: self.student_metrics[key]},
            additional_metrics={name: self.student_metrics[name] for name in others},
            metric_cmp_fn=lambda value, best: value > best or math.isnan(best),  # the first value may be NaN
            val_handlers=val_handlers,
            decollate=False,
        )
        self.add_event_handler(Events.STARTED, self._train_students)

    def scores(self) -> ScoreRow:
        """Mean, standard deviation, 95% interval and values per metric, of the last run."""
        return cast("ScoreRow", {name: summary(metric.values) for name, metric in self.student_metrics.items()})

    def _train_students(self, engine: Engine) -> None:
        training_set = self.training_set()
        self._lr = training_set[2]
        try:
            self.students = train_students(self.network, training_set, self.protocol, self.seeds)
        except StudentDivergedError as error:
            self._record_divergence(error)

    def _record_divergence(self, error: StudentDivergedError) -> None:
        if not self.allow_divergence:
            raise error
        if not self._warned:
            warnings.warn(f"{error} A set that does this cannot be selected; the run continues.", stacklevel=2)
        self._warned = True
        self.students = torch.empty(0)
        for metric in self.student_metrics.values():  # discard the predictions of earlier batches
            metric.reset()

    def _iteration(self, engine: Any, batchdata: dict[str, Tensor]) -> list[dict[str, Any]]:
        images, labels = batchdata["image"], batchdata["label"]
        pred = self._probabilities(images)
        self._predicted = pred, labels
        output = _items(images, labels, pred if len(pred) else images.new_full((1, *pred.shape[1:]), math.nan))
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output

    def _probabilities(self, images: Tensor) -> Tensor:
        if len(self.students):
            logits = predict_logits(self.network, self.students, images)
            if bool(torch.isfinite(logits).all()):
                return logits.softmax(dim=2)
            self._record_divergence(StudentDivergedError(self._lr))
        return images.new_empty((0, len(images), self._classes))


def _items(images: Tensor, labels: Tensor, pred: Tensor) -> list[dict[str, Any]]:
    """The batch as MONAI decollates it, once per student: from images [B, ...], labels [B], pred [S, B, classes]."""
    return [
        {"image": image, "label": label, "pred": probabilities, "student": number}
        for number, student in enumerate(pred.unbind())
        for image, label, probabilities in zip(images.unbind(), labels.unbind(), student.unbind(), strict=True)
    ]


def _images_of_batch(network: FlatNetwork, bank: ClassBank) -> int:
    """As many as a block holds, because a batch, its preparation and the batch before are in memory together."""
    return BATCH if network.mixes_images else min(BATCH, block_length(bank.images))


class _Batches:
    """A bank's images and labels as batches of a dictionary, in order."""

    def __init__(self, bank: ClassBank, batch_size: int) -> None:
        self.bank = bank
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.bank) // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        labels = torch.split(self.bank.labels, self.batch_size)
        for images, part in zip(blocks(self.bank.images, self.batch_size), labels, strict=True):
            yield {"image": images, "label": part}
