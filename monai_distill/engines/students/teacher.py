"""A network trained on all training images: soft labels and features for controls of the distilled set's size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from monai_distill.data import ClassBank
from monai_distill.networks import FlatNetwork, embedding
from monai_distill.runtime import TensorCache
from monai_distill.runtime.randomness import derived_seed, temporary_global_seed

from .student_predictions import training_job
from .student_training import StudentTraining

__all__ = ["Teacher"]

BATCH = 256


class Teacher:
    """Trained when first asked, on the training images and nothing else; its parameters are kept like predictions.

    References:
        Qin et al., A Label is Worth a Thousand Images in Dataset Distillation, NeurIPS 2024: random images with an
        expert's soft labels. How long the expert trained matters there, the less the smaller the set: let validation
        choose among several teachers (the variants of a control in :class:`ScoreRows`).

    Args:
        network: the architecture of students and teacher alike.
        bank: the training images.
        protocol: how it is trained.
        lr: learning rate at the start.
        seed: seed of the run.
        folder: where parameters are kept; None keeps none.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> bank = ClassBank(torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> teacher = Teacher(network, bank, StudentTraining(SiameseAugment(()), steps=2))
        >>> teacher.features(bank.images).shape, teacher.labelled(bank.images, bank.labels)[1].shape
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
        self._cache = TensorCache(folder)

    @functools.cached_property
    def parameters(self) -> Tensor:
        """The trained parameters [P], on the device of the training images."""
        everything = (self.bank.images, self.bank.labels, self.lr)

        def train() -> Tensor:
            with tqdm(total=self.protocol.steps, desc="teacher", unit="step", disable=None, leave=False) as bar:
                return self.protocol(self.network, *everything, [self.seed], bar.update)[0]

        keeps = self._cache.folder is not None
        job = {"parameters": training_job(self.network, everything, self.protocol, [self.seed])} if keeps else {}
        return self._cache(job, train).to(self.bank.device)

    def labelled(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The images [n, channels, *spatial] and, in place of their class numbers [n], the logits [n, classes]."""
        parts = [self.network.predict(self.parameters, part) for part in torch.split(images, BATCH)]
        return images, torch.cat(parts)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees: images [n, channels, *spatial] to [n, F].

        Raises:
            ValueError: when the network has no ``embed``.
        """
        with torch.no_grad():
            return torch.cat([embedding(self._module, part) for part in torch.split(images, BATCH)])

    @functools.cached_property
    def _module(self) -> nn.Module:
        with temporary_global_seed(0):
            fresh = self.network.factory()
        return self.network.load_into(fresh.to(self.bank.device), self.parameters).eval()
