"""The training protocol of fresh networks on a small set, which all scores share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_distill.losses.soft_cross_entropy import classification_loss
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.networks.gradients import in_parts, parameter_gradient
from monai_distill.networks.map_over_networks import map_over_networks, should_vmap
from monai_distill.networks.mixed_precision import training_logits
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.randomness import derived_seed
from monai_distill.runtime.validation import require_in_interval, require_positive_int
from monai_distill.transforms.siamese_augment import SiameseAugment

from .plateau import Plateau
from .student_group import StudentGroup

__all__ = ["StudentDivergedError", "StudentTraining"]

MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4
DROP_AT, DROP = 0.5, 0.1  # share of the steps after which the learning rate drops at the latest, and its factor


class StudentDivergedError(RuntimeError):
    """Raised when a student's parameters or predictions become NaN or infinite.

    Args:
        lr: the learning rate that was too large.

    Example:
        >>> str(StudentDivergedError(3.0)).split(".")[0]
        'A student diverged at learning rate 3'
    """

    def __init__(self, lr: float) -> None:
        super().__init__(
            f"A student diverged at learning rate {lr:g}. Lower it, or, if it is learned, lower student_lr_lr."
        )


class StudentTraining:
    """The field's protocol: augmentation, SGD with momentum and weight decay, a tenth of the learning rate after half.

    References:
        Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, https://arxiv.org/abs/2006.05929
        (``evaluate_synset``), as used since.

    Deviations:
        - Momentum continues when the learning rate drops; the originals build a new optimizer.
        - The length is given in SGD steps, so that sets of different size get the same number of updates. For a set
          that fits one batch, steps are epochs.
        - All batches of a larger set have one size; the originals end every epoch with a short batch.
        - All methods share this protocol; some originals have batches of 128 or 64, other numbers of epochs, or no
          augmentation.

    Args:
        augment: the augmentation; its parameters are drawn again for every step and student.
        steps: number of SGD steps.
        batch_size: images per step; smaller sets are used whole.
        drop: factor of the learning rate in the second half; 1 for none (PAD's difficulty networks).
        vmap: whether the students run in one call; by default the faster way on the device.
        temperature: of the softmax in the students' loss (see :func:`classification_loss`).
        compiled: run one student after another through ``torch.compile`` (see :func:`parameter_gradient`).
        plateau: shortens the schedule of a student whose loss stops falling; None for the field's fixed length.

    Raises:
        TypeError: if ``augment`` is not a ``SiameseAugment``.
        ValueError: if there is no step, the batch is empty or the temperature is not above 0.

    Example:
        >>> StudentTraining(SiameseAugment(()), steps=10).config()["steps"]
        10
    """

    def __init__(
        self,
        augment: SiameseAugment,
        *,
        steps: int = 1000,
        batch_size: int = 256,
        drop: float = DROP,
        vmap: bool | None = None,
        temperature: float = 1.0,
        compiled: bool | str = False,
        plateau: Plateau | None = None,
    ) -> None:
        if not isinstance(augment, SiameseAugment):
            raise TypeError(f"Expected a SiameseAugment, got {augment!r}. For none give SiameseAugment(()).")
        require_positive_int(steps=steps, batch_size=batch_size)
        require_in_interval("(0, inf)", temperature=temperature)
        self.augment = augment
        self.steps = steps
        self.batch_size = batch_size
        self.drop = drop
        self.vmap = vmap
        self.temperature = temperature
        self.compiled = compiled
        self.plateau = plateau

    def config(self) -> dict[str, Any]:
        """The protocol as plain JSON values."""
        return {
            "optimizer": "SGD",
            "steps": self.steps,
            "batch_size": self.batch_size,
            "momentum": MOMENTUM,
            "weight_decay": WEIGHT_DECAY,
            "drop": f"x {self.drop} after {DROP_AT} of the steps",
            "temperature": self.temperature,
            "augmentation": self.augment.config(),
            **({} if self.plateau is None else {"plateau": self.plateau.config()}),
        }

    def without_augmentation(self) -> StudentTraining:
        """The same protocol without augmentation.

        Example:
            >>> StudentTraining(SiameseAugment(("crop",))).without_augmentation().config()["augmentation"]["operations"]
            []
        """
        plain = copy.copy(self)
        plain.augment = SiameseAugment(())
        return plain

    def __call__(
        self,
        network: FlatNetwork,
        images: Images,
        targets: Tensor,
        lr: float,
        seeds: Sequence[int],
        on_step: Callable[[], object] = lambda: None,
        *,
        start: Tensor | None = None,
    ) -> Tensor:
        """Train one network per seed and return their parameters [students, P].

        Args:
            network: the architecture.
            images: [n, channels, *spatial] in the networks' input space.
            targets: class numbers [n] or logits [n, classes].
            lr: learning rate at the start.
            seeds: one per student; initialization, order and augmentation follow from it.
            on_step: called after every step, for a progress bar.
            start: parameters [students, P] to begin with; None for fresh networks.

        Raises:
            StudentDivergedError: if a student diverges.
        """
        vmap = self._use_vmap(network, images)
        parameters = torch.stack([network.initial(seed) for seed in seeds]) if start is None else start.detach().clone()
        parameters = parameters.to(images.device)
        gradient = self._gradient(network, len(seeds) if vmap else 1, vmap)
        group = StudentGroup(parameters, seeds, self.steps, self.plateau)
        for step in range(self.steps):
            rows = group.rows(len(images), self.batch_size)
            dropout = None
            if network.has_random_layers:
                dropout = [derived_seed(seed, "dropout", step) for seed in group.seeds]
            each, chosen = self.batch(images, targets, rows, group.generators)
            batches: Iterable[Tensor] = torch.stack(list(each)) if vmap else each  # else one is in memory at a time
            out = map_over_networks(gradient, vmap, dropout)(group.parameters, batches, chosen)
            # in place: a network of ten million parameters spends as long on new memory as on its layers
            group.velocity.mul_(MOMENTUM).add_(out[:, :-1]).add_(WEIGHT_DECAY * group.parameters)
            group.parameters.sub_(group.lrs(step, lr, self.drop) * group.velocity)
            on_step()
            group.parameters = network.with_statistics(group.parameters)
            if group.is_done(step, out[:, -1]):
                break
        if not bool(torch.isfinite(group.finished).all()):
            raise StudentDivergedError(lr)
        return group.finished

    def _use_vmap(self, network: FlatNetwork, images: Images) -> bool:
        if self.vmap is None:
            return not (self.compiled or network.one_at_a_time) and should_vmap(images, self.batch_size)
        return self.vmap and not network.one_at_a_time

    def _gradient(self, network: FlatNetwork, networks: int, vmap: bool) -> Callable[..., Tensor]:
        """The gradient of one student with its loss appended [P + 1]."""

        def loss(parameters: Tensor, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            value = self.loss(training_logits(network, parameters, images), targets)
            return value, value.detach()

        compiled = False if network.one_at_a_time else self.compiled
        gradient = in_parts(parameter_gradient(loss, for_vmap=vmap, compiled=compiled), network, networks)

        def with_loss(*arguments: Tensor) -> Tensor:
            slope, value = gradient(*arguments)
            return torch.cat([slope, value.reshape(1)])

        return with_loss

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch, a mean over its images."""
        return classification_loss(logits, targets, self.temperature)

    def batch(
        self, images: Images, targets: Tensor, rows: Tensor, generators: Sequence[torch.Generator]
    ) -> tuple[Iterator[Tensor], Tensor]:
        """Augmented images of every student, made one after another, and the targets of all for ``rows`` [S, B]."""
        draw, shape, pairs = self.augment.draw, images.shape[2:], zip(rows, generators, strict=True)
        return (self.augment.apply(images[row], draw(len(row), shape, g)) for row, g in pairs), targets[rows]
