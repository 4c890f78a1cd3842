"""The objective of gradient matching (DC, DSA): the gradients of real and synthetic images should agree by class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_distill.data.class_batches import ClassBatch
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.losses.dc_loss import GradientMatchingLoss
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.processes import exchange, group
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.runtime.validation import require_in_interval, require_int_at_least, require_positive_int
from monai_distill.transforms.siamese_augment import AugmentParameters, SiameseAugment

from .class_gradients import ClassGradients

__all__ = ["GradientMatching", "NetworkLoop", "network_loops"]

LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}


def network_loops(images_per_class: int) -> tuple[int, int]:
    """Image steps per network, and epochs of the network's training between two image steps.

    References:
        DC: Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, https://arxiv.org/abs/2006.05929: the
        released program's table for 1, 10, 20, 30, 40 and 50 images per class.

    Deviation: the program refuses every other number; here the nearest entry at or below it holds.

    Example:
        >>> [network_loops(count) for count in (1, 5, 10, 50, 100)]
        [(1, 1), (1, 1), (10, 50), (50, 10), (50, 10)]
    """
    return LOOPS[max((count for count in LOOPS if count <= images_per_class), default=1)]


@dataclasses.dataclass(frozen=True)
class NetworkLoop:
    """How long a network serves, and how it is trained on the synthetic set meanwhile.

    Args:
        outer_steps: image steps per network.
        inner_epochs: epochs over the synthetic set between two image steps.
        lr: learning rate of SGD in these epochs.
        batch_size: synthetic images per SGD step in these epochs.

    Raises:
        ValueError: if ``outer_steps`` or ``batch_size`` is below 1, ``inner_epochs`` is below 0, or ``lr`` is not above
            0.

    Example:
        >>> NetworkLoop(*network_loops(10))
        NetworkLoop(outer_steps=10, inner_epochs=50, lr=0.01, batch_size=256)
    """

    outer_steps: int
    inner_epochs: int
    lr: float = 0.01
    batch_size: int = 256

    def __post_init__(self) -> None:
        require_positive_int(outer_steps=self.outer_steps, batch_size=self.batch_size)
        require_int_at_least(0, inner_epochs=self.inner_epochs)
        require_in_interval("(0, inf)", lr=self.lr)


class GradientMatching:
    """Distance between every class's gradient on real and on synthetic images, and its gradient on the latter.

    A fresh network serves ``loop.outer_steps`` image steps; between two of them it is trained on the synthetic set.

    References:
        DC: Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, https://arxiv.org/abs/2006.05929,
        algorithm 1.
        DSA: Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation, ICML 2021,
        https://arxiv.org/abs/2102.08259.

    Deviations: any number of images per class. The network is trained at the beginning of the next call instead of the
    end of this one, which is the same, because the distiller steps the images in between.

    Several processes divide the classes among them and add up their losses and gradients. Each trains the network.

    Args:
        network: the architecture whose gradients are compared.
        augment: one augmentation per class, with the same parameters for real and synthetic images (DSA); no operations
            for DC.
        loop: how long a network serves, and how it is trained.
        loss: function of two lists of gradients, one entry per parameter, to a scalar; by default
            :class:`~monai_distill.losses.GradientMatchingLoss`.
        vmap: whether all classes run in one call (``torch.func.vmap``; only where classes have equal counts); by
            default whatever is faster on the device.
        seed: seed of the run.

    Raises:
        RuntimeError: from a call out of order: the network depends on the iterations before.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> match = GradientMatching(network, SiameseAugment(()), loop=NetworkLoop(1, 0))
        >>> data = SyntheticDataset(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, ClassBatch(0, torch.randn(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]), (2, 2)))
        >>> list(gradients), gradients["images"].shape
        (['images'], torch.Size([2, 1, 8, 8]))
    """

    learning_rates = ("network_lr",)  # setting that makes a first loss infinite

    def __init__(
        self,
        network: FlatNetwork,
        augment: SiameseAugment,
        *,
        loop: NetworkLoop,
        loss: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor] | None = None,
        vmap: bool | None = None,
        seed: int = 0,
    ) -> None:
        self.network = network
        self.augment = augment
        self.loop = loop
        self.loss = GradientMatchingLoss() if loss is None else loss
        self.class_gradients = ClassGradients(network, self.loss, vmap)
        self.seed = seed
        self._parameters = torch.empty(0)
        self._iteration = -1  # of which these are the parameters

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs: the network between two image steps depends on all steps before."""
        return {"parameters": self._parameters, "iteration": self._iteration}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""
        self._parameters, self._iteration = state["parameters"], int(state["iteration"])

    def __call__(self, synthetic: SyntheticDataset, batch: ClassBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar, summed over classes) and the gradient of the canvases, by name."""
        with self._seeded(batch.iteration):
            self._advance(synthetic, batch.iteration)
            return self._matched(synthetic, batch)

    def _seeded(self, iteration: int) -> contextlib.AbstractContextManager[None]:
        if not self.network.has_random_layers:
            return contextlib.nullcontext()
        return temporary_global_seed(derived_seed(self.seed, "dropout", iteration))

    def _advance(self, synthetic: SyntheticDataset, iteration: int) -> None:
        """Train the network up to this iteration; a second call for one iteration changes nothing."""
        number, place = divmod(iteration, self.loop.outer_steps)
        if place == 0:
            self._parameters = self.network.initial(derived_seed(self.seed, "matching network", number))
        self._parameters = self._parameters.to(synthetic.images)  # fresh parameters and loaded ones are on the CPU
        if place and self._iteration == iteration - 1:
            self._parameters = self._trained(self._parameters, synthetic, iteration)
            exchange.copy_from_first([self._parameters])
        elif place and self._iteration != iteration:
            raise RuntimeError(
                f"Expected iteration {self._iteration + 1}, got {iteration}: its network is trained in the iterations "
                "before. Load the state of this objective, or start at a multiple of outer_steps."
            )
        self._iteration = iteration

    def _trained(self, parameters: Tensor, synthetic: SyntheticDataset, iteration: int) -> Tensor:
        generator = seeded_generator(self.seed, "network steps", iteration)
        images, targets = synthetic.decoded(synthetic.images.detach()), synthetic.labels
        gradient = self.class_gradients.gradient(1)
        for _ in range(self.loop.inner_epochs):
            for rows in torch.split(torch.randperm(len(images), generator=generator), self.loop.batch_size):
                augmentation = self.augment.draw(len(rows), images.shape[2:], generator)
                rows = rows.to(images.device, non_blocking=True)
                augmented = self.augment.apply(images[rows], augmentation)
                parameters = parameters - self.loop.lr * gradient(parameters, augmented, targets[rows])[0]
        return parameters

    def _matched(self, synthetic: SyntheticDataset, batch: ClassBatch) -> tuple[Tensor, dict[str, Tensor]]:
        leaf = synthetic.images.detach().requires_grad_()
        labels = synthetic.labels.tolist()
        rows = {c: [i for i, label in enumerate(labels) if label == c] for c in self._share(sorted(set(labels)))}
        if not rows:  # more processes than classes
            value, gradient = exchange.sums([leaf.new_zeros(()), torch.zeros_like(leaf)])
            return value, {"images": gradient}
        augmentations = {c: self._augmentation(c, batch) for c in rows}
        images = synthetic.decoded(leaf)
        augmented = [self.augment.apply(images[places], augmentations[c]) for c, places in rows.items()]
        targets = self._real_gradients(batch, augmentations)
        detached = [images.detach() for images in augmented]
        values, gradients = self.class_gradients.distances(self._parameters, list(rows), detached, targets)
        (gradient,) = torch.autograd.grad(augmented, leaf, gradients)
        value = torch.stack(values).sum()
        if not self.network.has_random_layers:
            value, gradient = exchange.sums([value, gradient])
        return value, {"images": gradient}

    def _share(self, classes: list[int]) -> list[int]:
        """The classes of this process; with dropout all, because its random numbers go from class to class."""
        return classes if self.network.has_random_layers else classes[group.rank() :: group.count()]

    def _augmentation(self, label: int, batch: ClassBatch) -> AugmentParameters:
        generator = seeded_generator(self.seed, "siamese augmentation", batch.iteration, label)
        return self.augment.draw(1, batch.images.shape[2:], generator, siamese=True).to(batch.images.device)

    def _real_gradients(self, batch: ClassBatch, augmentations: Mapping[int, AugmentParameters]) -> list[Tensor]:
        """The gradient [P] of every class on its real images."""
        ends = dict(enumerate(itertools.accumulate(batch.counts)))

        def read(label: int) -> Tensor:
            images = batch.images[ends[label] - batch.counts[label] : ends[label]]
            return self.augment.apply(images, augmentations[label])

        counts = {label: batch.counts[label] for label in augmentations}
        return self.class_gradients.gradients(self._parameters, counts, read, batch.images)
