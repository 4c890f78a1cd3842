"""What fresh students predict after training on a set, kept on disk under all that decides it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from ignite.engine import Events
from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.metrics import accuracy
from monai_distill.networks import FlatNetwork, factory_config
from monai_distill.runtime import TensorCache, tensor_checksum
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.result_cache import package_versions

from .student_evaluator import StudentEvaluator
from .student_training import StudentDivergedError, StudentTraining

__all__ = ["StudentPredictions", "TrainingSet", "training_job"]

TrainingSet = tuple[Images, Tensor, float]


class StudentPredictions:
    """Trains students on a set and returns their probabilities on held-out images; the same question is answered once.

    An answer is a file named by a hash of everything that decides it (:func:`training_job` and the held-out images), so
    that runs that share a folder share answers, and a change of any part asks anew. Predictions are kept, not scores: a
    score that is thought of later needs no new students.

    Args:
        network: the students' architecture.
        seed: seed of the run.
        folder: where answers are kept, made when absent; None keeps none.

    Raises:
        TypeError: when there is a folder and the network's factory is no ``functools.partial`` of a class with keyword
            arguments, so that one network cannot be told from another.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> bank = ClassBank(torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> predictions = StudentPredictions(FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1)))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> predictions((bank.images, bank.labels, 0.01), bank, protocol, students=3).shape
        torch.Size([3, 6, 2])
    """

    def __init__(self, network: FlatNetwork, *, seed: int = 0, folder: str | Path | None = None) -> None:
        if folder is not None:
            factory_config(network.factory)  # refuses what it cannot tell from another, before any work
        self.network = network
        self.seed = seed
        self._cache = TensorCache(folder)
        self._checksums: WeakKeyDictionary[ClassBank, str] = WeakKeyDictionary()

    def __call__(
        self,
        training_set: TrainingSet,
        bank: ClassBank,
        protocol: StudentTraining,
        *,
        students: int = 1,
        purpose: str = "score",
        on_step: Callable[[int], object] = lambda count: None,
    ) -> Tensor:
        """What :meth:`students` predict for one bank."""
        return self.students(training_set, protocol, students=students, purpose=purpose, on_step=on_step)(bank)

    def students(
        self,
        training_set: TrainingSet,
        protocol: StudentTraining,
        *,
        students: int = 1,
        purpose: str = "score",
        on_step: Callable[[int], object] = lambda count: None,
    ) -> Callable[[ClassBank], Tensor]:
        """Students who predict for any bank of held-out images; trained at the first that has no kept answer.

        Args:
            training_set: images [m, channels, *spatial], targets (class numbers [m] or logits [m, classes]), learning
                rate.
            protocol: how students are trained.
            students: how many.
            purpose: distinguishes the students' seeds.
            on_step: called with a number of student steps that are done, once each, for a progress bar.

        Returns:
            A function of a bank of n images: probabilities [students, n, classes] on the CPU. It raises
            :class:`StudentDivergedError` when a student diverges, which is kept like an answer, and a RuntimeError
            when a kept answer is damaged.
        """
        counted = 0
        trained: list[Tensor] = []

        def count(steps: int) -> None:
            nonlocal counted
            counted += steps
            on_step(steps)

        def once(*arguments: Any) -> Tensor:
            if not trained:
                trained.append(protocol(*arguments))
            return trained[0]

        def predicted(bank: ClassBank) -> Tensor:
            evaluator = StudentEvaluator(
                lambda: training_set,
                self.network,
                once,
                bank,
                students=students,
                seed=self.seed,
                purpose=purpose,
                metrics={"accuracy": accuracy},
                on_step=lambda: count(students),
            )
            probabilities = self._kept(training_set, bank, protocol, evaluator)
            count(students * protocol.steps - counted)  # those of a kept answer
            if not len(probabilities):
                raise StudentDivergedError(training_set[2])
            return probabilities

        return predicted

    def _kept(
        self, training_set: TrainingSet, bank: ClassBank, protocol: StudentTraining, evaluator: StudentEvaluator
    ) -> Tensor:
        if self._cache.folder is None:
            return _predicted(evaluator)
        if bank not in self._checksums:
            self._checksums[bank] = tensor_checksum(bank.images)
        job = training_job(self.network, training_set, protocol, evaluator.seeds)
        return self._cache({**job, "predicted": self._checksums[bank]}, lambda: _predicted(evaluator))


def training_job(
    network: FlatNetwork, training_set: TrainingSet, protocol: StudentTraining, seeds: Sequence[int]
) -> dict[str, Any]:
    """Everything that decides the parameters of trained students, as plain JSON values.

    Images and targets by their bytes (so preprocessing and selection are in it), learning rate, protocol, seeds,
    network, kind of device, and the versions of torch, MONAI and this package. Not in it is what changes rounding
    alone: the number of threads, the model of the device.

    Raises:
        TypeError: when the network's factory cannot be described (see
            :func:`~monai_distill.networks.factory_config`).

    Example:
        >>> import functools
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> build = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=2, image_size=8)
        >>> data = torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), 0.01
        >>> training_job(FlatNetwork(build), data, StudentTraining(SiameseAugment(())), [1])["lr"]
        0.01
    """
    images, targets, lr = training_set
    return {
        "images": tensor_checksum(images),
        "targets": tensor_checksum(targets),
        "lr": lr,
        "protocol": {"class": type(protocol).__qualname__, **protocol.config()},
        "seeds": list(seeds),
        "network": factory_config(network.factory),
        "device": images.device.type,
        "versions": package_versions(),
    }


def _predicted(evaluator: StudentEvaluator) -> Tensor:
    """Probabilities [students, n, classes], of no student when one diverged."""
    parts: list[Tensor] = []
    evaluator.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: parts.append(engine.state.output["pred"].cpu())
    )
    try:
        evaluator.run()
    except StudentDivergedError:
        return torch.empty(0)
    return torch.cat(parts, dim=1)
