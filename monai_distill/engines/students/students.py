"""Students whose predictions are cached under everything that decides them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.prepared_images import PreparedImages
from monai_distill.networks.factories import factory_config
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.checksums import tensor_checksum
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.result_cache import ResultCache

from .scoring import TrainingSet, predict_logits, train_students
from .student_training import StudentDivergedError, StudentTraining

__all__ = ["Students", "checksum_once", "training_job"]


class Students:
    """The students of one training set, trained when a prediction is needed that is not cached.

    Predictions are cached, not scores: a new metric needs no new students. A divergence is cached as well.

    Args:
        network: the architecture.
        training_set: as of :func:`train_students`.
        protocol: how the students are trained.
        seeds: one per student.
        cache: stores predictions.
        share: whether other runs of this machine's user may use the predictions.
        on_step: called with the number of student steps that are done, for a progress bar; those of cached predictions
            are counted at once.

    Raises:
        TypeError: if the cache has a folder and the network's factory cannot be described (see
            :func:`~monai_distill.networks.factories.factory_config`).

    Example:
        >>> from monai_distill.engines.students import student_seeds
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> bank = ClassBank(torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> Students(network, (bank.images, bank.labels, 0.01), protocol, student_seeds(students=3)).logits(bank).shape
        torch.Size([3, 6, 2])
    """

    def __init__(
        self,
        network: FlatNetwork,
        training_set: TrainingSet,
        protocol: StudentTraining,
        seeds: Sequence[int],
        *,
        cache: ResultCache | None = None,
        share: bool = False,
        on_step: Callable[[int], object] = lambda steps: None,
    ) -> None:
        self.network = network
        self.training_set = training_set
        self.protocol = protocol
        self.seeds = list(seeds)
        self.cache = ResultCache(None) if cache is None else cache
        self.share = share
        self._on_step = on_step
        self._counted = 0

    @functools.cached_property
    def parameters(self) -> Tensor:
        """The parameters [students, P] of the trained networks; not cached on disk."""
        step = functools.partial(self._count, len(self.seeds))
        return train_students(self.network, self.training_set, self.protocol, self.seeds, step)

    def logits(self, bank: ClassBank) -> Tensor:
        """Logits [students, n, classes] for the n images of ``bank``, on the CPU.

        Raises:
            StudentDivergedError: if a student diverges.
            RuntimeError: if a cached prediction is damaged.
        """
        job = {}
        if self.cache.folder is not None:
            job = training_job(self.network, self.training_set, self.protocol, self.seeds)
            job["logits_of"] = checksum_once(bank.images)
        logits = self.cache(job, lambda: self._computed(bank), share=self.share).values
        self._count(len(self.seeds) * self.protocol.steps - self._counted)
        if not len(logits):
            raise StudentDivergedError(self.training_set[2])
        return logits

    def _computed(self, bank: ClassBank) -> Tensor:
        """The logits; those of no student when one diverges."""
        try:
            logits = predict_logits(self.network, self.parameters, bank.images)
        except StudentDivergedError:
            return torch.empty(0)
        return logits if bool(torch.isfinite(logits).all()) else torch.empty(0)

    def _count(self, steps: int) -> None:
        self._counted += steps
        self._on_step(steps)


def training_job(
    network: FlatNetwork, training_set: TrainingSet, protocol: StudentTraining, seeds: Sequence[int]
) -> dict[str, Any]:
    """Everything that decides the parameters of trained students, as plain JSON values: the key of their results.

    Images and targets are named by their bytes, which includes preprocessing and selection. The number of threads and
    the model of the device change rounding only and are left out.

    Raises:
        TypeError: if the network's factory cannot be described
            (see :func:`~monai_distill.networks.factories.factory_config`).

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
        "images": checksum_once(images),
        "targets": checksum_once(targets),
        "lr": lr,
        "protocol": {"class": type(protocol).__qualname__, **protocol.config()},
        "seeds": list(seeds),
        "network": factory_config(network.factory),
        **({"amp": True} if network.amp else {}),
        "device": images.device.type,
    }


_CHECKSUMS = WeakTensorKeyDictionary()


def checksum_once(values: Images) -> str:
    """The checksum of a tensor or of images, computed once while they live and nothing is written into them.

    Example:
        >>> values = torch.zeros(2)
        >>> checksum_once(values) == checksum_once(values) != checksum_once(values.add_(1))
        True
    """
    version = (values.pixels if isinstance(values, PreparedImages) else cast(Tensor, values))._version
    if values not in _CHECKSUMS or _CHECKSUMS[values][0] != version:
        _CHECKSUMS[values] = version, tensor_checksum(values)
    return str(_CHECKSUMS[values][1])
