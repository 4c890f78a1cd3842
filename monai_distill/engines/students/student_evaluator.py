"""Scores a training set by the fresh networks that it trains."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.engines.utils import IterationEvents
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.metrics import SCORES, StudentMetric, summary
from monai_distill.networks import FlatNetwork, map_over_networks
from monai_distill.runtime.image_blocks import Images, blocks
from monai_distill.runtime.randomness import derived_seed
from monai_distill.runtime.validation import is_positive_int

from .student_training import StudentDivergedError

__all__ = ["StudentEvaluator", "parameter_scores"]


def parameter_scores(network: FlatNetwork, parameters: Tensor, bank: ClassBank) -> dict[str, dict[str, Any]]:
    """Metric -> mean, std, interval95 and values of networks [S, P] on the images of ``bank``, as students are scored.

    Example:
        >>> import torch
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> bank = ClassBank(torch.rand(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]), ["a", "b"])
        >>> len(parameter_scores(network, network.initial(0)[None], bank)["accuracy"]["values"])
        1
    """
    nothing = (bank.images[:0], bank.labels[:0], 1.0)
    trained = parameters.to(bank.device)
    evaluator = StudentEvaluator(
        lambda: nothing,
        network,
        lambda *_: trained,
        bank,
        students=len(parameters),
    )
    evaluator.run()
    return evaluator.scores()


class StudentEvaluator(Evaluator):  # type: ignore[misc]
    """A MONAI ``Evaluator`` that trains several fresh students on a set and scores them on held-out images.

    Every run uses the same student seeds, so that two training sets, or one set at two iterations, are compared on
    equal terms. ``engine.state.metrics`` holds the means; :meth:`scores` adds spread, interval and the single values.

    Args:
        training_set: called at every run; returns (images [n, channels, *spatial], targets, learning rate).
        network: the students' architecture.
        protocol: how they are trained: a :class:`StudentTraining`, or what is called like one.
        bank: the held-out images that they are scored on.
        students: how many.
        seed: seed of the run.
        purpose: distinguishes the seeds of selection from those of the last score.
        batch_size: held-out images per forward pass.
        metrics: function (probabilities [n, classes], labels [n]) per name; the first is the key metric.
        val_handlers: MONAI or ignite handlers; ``engine.state.output`` is ``{"pred": [S, B, classes], "label": [B]}``.
        on_step: called after every step of the students' training, for a progress bar.
        allow_divergence: a set whose students diverge has NaN for every metric, so that it loses a selection, and
            ``engine.state.output`` holds no student; a warning says so the first time. Without it that is an error.

    Raises:
        TypeError: for a set in place of what gives its training set.
        ValueError: for no students.
        StudentDivergedError: from ``run``, when a student's parameters or predictions are no numbers any more.

    Example:
        >>> from monai_distill.engines.students import StudentTraining
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> import torch
        >>> bank = ClassBank(torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> evaluator = StudentEvaluator(lambda: (bank.images, bank.labels, 0.01), network, protocol, bank, students=2)
        >>> evaluator.run()
        >>> len(evaluator.scores()["accuracy"]["values"])
        2
    """

    def __init__(
        self,
        training_set: Callable[[], tuple[Images, Tensor, float]],
        network: FlatNetwork,
        protocol: Callable[..., Tensor],
        bank: ClassBank,
        *,
        students: int = 5,
        seed: int = 0,
        purpose: str = "score",
        batch_size: int = 512,
        metrics: dict[str, Callable[[Any, Any], float]] | None = None,
        val_handlers: Any = None,
        on_step: Callable[[], object] = lambda: None,
        allow_divergence: bool = False,
    ) -> None:
        if isinstance(training_set, SyntheticDataset):
            raise TypeError("Expected a function as training_set, got the set itself. Give synthetic.training_set.")
        if not is_positive_int(students):
            raise ValueError(f"Expected at least 1 student, got {students}.")
        self.training_set = training_set
        self.network = network
        self.protocol = protocol
        self.seeds = [derived_seed(seed, purpose, "student", i) for i in range(students)]
        self.on_step = on_step
        self.allow_divergence = allow_divergence
        self._classes = bank.num_classes
        self._warned = False
        self.student_metrics = {
            name: StudentMetric(score, output_transform=lambda x: (x["pred"], x["label"]))
            for name, score in (SCORES if metrics is None else metrics).items()
        }
        key, *others = self.student_metrics
        super().__init__(
            device=bank.device,
            val_data_loader=_Batches(bank, batch_size),
            key_val_metric={key: self.student_metrics[key]},
            additional_metrics={name: self.student_metrics[name] for name in others},
            metric_cmp_fn=lambda value, best: value > best or math.isnan(best),  # a first one may have diverged
            val_handlers=val_handlers,
            decollate=False,
        )
        self.add_event_handler(Events.STARTED, self._train_students)

    def scores(self) -> dict[str, dict[str, Any]]:
        """Mean, standard deviation, 95% interval and values per metric, of the last run."""
        return {name: summary(metric.values) for name, metric in self.student_metrics.items()}

    def _train_students(self, engine: Engine) -> None:
        images, targets, self._lr = self.training_set()
        try:
            self.students = self.protocol(self.network, images, targets, self._lr, self.seeds, self.on_step)
        except StudentDivergedError as error:
            self._record_divergence(error)

    def _record_divergence(self, error: StudentDivergedError) -> None:
        if not self.allow_divergence:
            raise error
        if not self._warned:
            warnings.warn(f"{error} A set that does this cannot be selected; the run goes on.", stacklevel=2)
        self._warned = True
        self.students = torch.empty(0)
        for metric in self.student_metrics.values():  # what they said of earlier batches
            metric.reset()

    def _iteration(self, engine: Any, batchdata: dict[str, Tensor]) -> dict[str, Tensor]:
        output = {"pred": self._predicted(batchdata["image"]), "label": batchdata["label"]}
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output

    def _predicted(self, images: Tensor) -> Tensor:
        if len(self.students):
            forward = map_over_networks(
                lambda vector: self.network.predict(vector, images), vmap=images.device.type != "cpu"
            )
            found = forward(self.students).softmax(dim=2)
            if bool(torch.isfinite(found).all()):
                return found
            self._record_divergence(StudentDivergedError(self._lr))
        return images.new_empty((0, len(images), self._classes))


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
