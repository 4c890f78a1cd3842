"""A network trained on all training images: soft labels and features for controls of the distilled set's size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor, nn

from monai_distill.data.class_bank import ClassBank
from monai_distill.networks.features import embedding
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.progress import open_progress_bar
from monai_distill.runtime.randomness import derived_seed, temporary_global_seed
from monai_distill.runtime.result_cache import ResultCache

from .scoring import predict_logits, train_students
from .student_training import StudentTraining
from .students import training_job

__all__ = ["Teacher", "refuse_teacher_labels", "teacher_logits"]

BATCH = 256


class Teacher:
    """A network that is trained on the training images only, when it is first used; its parameters are cached.

    References:
        Qin et al., A Label is Worth a Thousand Images in Dataset Distillation, NeurIPS 2024,
        https://arxiv.org/abs/2406.10485: random images with the soft labels of an expert. The training length of the
        expert matters, so validation chooses among several teachers (the variants of a control in
        :class:`ScoreRows`).

    Args:
        network: the architecture of students and teacher.
        bank: the training images.
        protocol: how the teacher is trained.
        lr: learning rate at the start.
        seed: seed of the run.
        folder: where parameters are cached; None caches nothing.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> bank = ClassBank(torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> teacher = Teacher(network, bank, StudentTraining(SiameseAugment(()), steps=2))
        >>> teacher.features(bank.images).shape, teacher.soft_labels(bank.images, bank.labels)[1].shape
        (torch.Size([6, 64]), torch.Size([6, 2]))
    """

    def __init__(
        self,
        network: FlatNetwork,
        bank: ClassBank,
        protocol: StudentTraining,
        *,
        lr: float = 0.01,
        seed: int = 0,
        folder: str | Path | None = None,
    ) -> None:
        self.network = network
        self.bank = bank
        self.protocol = protocol
        self.lr = lr
        self.seed = derived_seed(seed, "teacher")
        self.cache = ResultCache(folder)

    @functools.cached_property
    def parameters(self) -> Tensor:
        """The trained parameters [P], on the device of the training images."""
        training_set = (self.bank.images, self.bank.labels, self.lr)

        def train() -> Tensor:
            with open_progress_bar(self.protocol.steps, "teacher", "step") as bar:
                return train_students(self.network, training_set, self.protocol, [self.seed], bar.update)[0]

        job = {}
        if self.cache.folder is not None:
            job = {"parameters": training_job(self.network, training_set, self.protocol, [self.seed])}
        return self.cache(job, train).values.to(self.bank.device)

    def logits(self, images: Tensor, labels: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, channels, *spatial], whatever their class numbers [n]."""
        return self.soft_labels(images, labels)[1]

    def soft_labels(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The images [n, channels, *spatial] and, in place of their class numbers [n], the logits [n, classes]."""
        return images, predict_logits(self.network, self.parameters[None], images)[0]

    def features(self, images: Tensor) -> Tensor:
        """The input of the last layer [n, F] for images [n, channels, *spatial].

        Raises:
            ValueError: if the network has no ``embed``.
        """
        with torch.no_grad():
            return torch.cat([embedding(self._module, batch) for batch in torch.split(images, BATCH)])

    @functools.cached_property
    def _module(self) -> nn.Module:
        with temporary_global_seed(0):
            fresh = self.network.factory()
        return self.network.load_into(fresh.to(self.bank.device), self.parameters).eval()


def teacher_logits(teacher: Teacher, start: tuple[Tensor, Tensor]) -> Tensor:
    """The teacher's logits [N, classes] of the images that a distillation starts from.

    Args:
        teacher: is trained if it was not yet.
        start: images [N, channels, *spatial] and class numbers [N].
    """
    return teacher.logits(*start)


def refuse_teacher_labels(soft_labels: bool, reason: str) -> None:
    """Refuse labels of a teacher where they would contradict what else is requested.

    Raises:
        ValueError: if they are requested.

    Example:
        >>> refuse_teacher_labels(False, "the method learns its labels")
    """
    if soft_labels:
        raise ValueError(f"Expected --soft_labels false here: {reason}. Leave it out.")
