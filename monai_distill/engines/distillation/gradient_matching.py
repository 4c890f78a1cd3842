"""The objective of gradient matching: synthetic images should pull a network where real ones of their class do."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_distill.data import ClassBatch, SyntheticDataset
from monai_distill.losses import GradientMatchingLoss, classification_loss
from monai_distill.networks import FlatNetwork, parameter_gradient, should_vmap
from monai_distill.runtime import processes
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.transforms import AugmentParameters, SiameseAugment

__all__ = ["GradientMatching", "network_loops"]

LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}


def network_loops(images_per_class: int) -> tuple[int, int]:
    """Image steps per network, and epochs that the network is trained between two of them.

    References:
        Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021: the released program's table for 1, 10, 20,
        30, 40 and 50 images per class. Deviation: between them, and above, the nearest at or below holds.

    Example:
        >>> [network_loops(count) for count in (1, 5, 10, 50, 100)]
        [(1, 1), (1, 1), (10, 50), (50, 10), (50, 10)]
    """
    return LOOPS[max((count for count in LOOPS if count <= images_per_class), default=1)]


class GradientMatching:
    """Distance between every class's gradient on real and on synthetic images, and its gradient on the latter.

    A fresh network every ``outer_steps`` image steps; between two of them it is trained on the synthetic set.

    References:
        Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, algorithm 1 (DC); Zhao and Bilen, Dataset
        Condensation with Differentiable Siamese Augmentation, ICML 2021 (DSA).

    Deviations: any number of images per class; the network is trained at the beginning of the next call instead of the
    end of this one, which is the same, because the distiller steps the images in between.

    Several processes share out the classes and add up their losses and gradients; the network is trained in all.

    Args:
        network: the architecture that the gradients are taken of.
        augment: one siamese draw per class for its real and synthetic images (DSA); no operations for DC.
        outer_steps: image steps per network.
        inner_epochs: epochs over the synthetic set between two image steps.
        network_lr: of SGD in these epochs.
        batch_size: synthetic images per SGD step in these epochs.
        loss: function of two lists of gradients, one entry per parameter, to a scalar.
        vmap: whether all classes are one call (``torch.func.vmap``; only where classes have equal counts); by
            default whatever is faster on the device.
        seed: seed of the run.

    Raises:
        ValueError: for no image steps, negative epochs or an empty batch.
        RuntimeError: from a call out of order: the network depends on the iterations before.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> match = GradientMatching(network, SiameseAugment(()), outer_steps=1, inner_epochs=0)
        >>> data = SyntheticDataset(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, ClassBatch(0, torch.randn(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]), (2, 2)))
        >>> list(gradients), gradients["images"].shape
        (['images'], torch.Size([2, 1, 8, 8]))
    """

    def __init__(
        self,
        network: FlatNetwork,
        augment: SiameseAugment,
        *,
        outer_steps: int,
        inner_epochs: int,
        network_lr: float = 0.01,
        batch_size: int = 256,
        loss: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor] | None = None,
        vmap: bool | None = None,
        seed: int = 0,
    ) -> None:
        if outer_steps < 1 or inner_epochs < 0 or batch_size < 1:
            raise ValueError(
                "Expected outer_steps and batch_size of at least 1 and inner_epochs of at least 0, got "
                f"{outer_steps}, {batch_size} and {inner_epochs}."
            )
        self.network = network
        self.augment = augment
        self.outer_steps = outer_steps
        self.inner_epochs = inner_epochs
        self.network_lr = network_lr
        self.batch_size = batch_size
        self.loss = GradientMatchingLoss() if loss is None else loss
        self.vmap = vmap
        self.seed = seed
        self._parameters = torch.empty(0)
        self._iteration = -1  # the one that the parameters are for

    def state_dict(self) -> dict[str, Any]:
        """What an exact resume needs: the network between two image steps is the fruit of all before."""
        return {"parameters": self._parameters, "iteration": self._iteration}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self._parameters, self._iteration = state["parameters"], int(state["iteration"])

    def __call__(self, synthetic: SyntheticDataset, batch: ClassBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar, summed over classes) and the gradient of the images, by name."""
        with self._seeded(batch.iteration):
            self._advance(synthetic, batch.iteration)
            return self._matched(synthetic, batch)

    def _seeded(self, iteration: int) -> contextlib.AbstractContextManager[None]:
        if not self.network.has_random_layers:
            return contextlib.nullcontext()
        return temporary_global_seed(derived_seed(self.seed, "dropout", iteration))

    def _advance(self, synthetic: SyntheticDataset, iteration: int) -> None:
        """Bring the network to where this iteration needs it; a second call for one iteration changes nothing."""
        number, place = divmod(iteration, self.outer_steps)
        if place == 0:
            self._parameters = self.network.initial(derived_seed(self.seed, "matching network", number))
        self._parameters = self._parameters.to(synthetic.images)  # fresh ones and those of a state are on the CPU
        if place and self._iteration == iteration - 1:
            self._parameters = self._trained(self._parameters, synthetic, iteration)
            processes.copy_from_first([self._parameters])
        elif place and self._iteration != iteration:
            raise RuntimeError(
                f"Expected iteration {self._iteration + 1}, got {iteration}: its network is trained in the iterations "
                "before. Load the state of this objective, or start at a multiple of outer_steps."
            )
        self._iteration = iteration

    def _trained(self, parameters: Tensor, synthetic: SyntheticDataset, iteration: int) -> Tensor:
        generator = seeded_generator(self.seed, "network steps", iteration)
        images, targets = synthetic.images.detach(), synthetic.labels
        gradient = parameter_gradient(self._noted_loss, for_vmap=False)
        for _ in range(self.inner_epochs):
            for rows in torch.split(torch.randperm(len(images), generator=generator), self.batch_size):
                draw = self.augment.draw(len(rows), images.shape[2:], generator)
                rows = rows.to(images.device, non_blocking=True)
                augmented = self.augment.apply(images[rows], draw)
                parameters = parameters - self.network_lr * gradient(parameters, augmented, targets[rows])[0]
        return parameters

    def _matched(self, synthetic: SyntheticDataset, batch: ClassBatch) -> tuple[Tensor, dict[str, Tensor]]:
        leaf = synthetic.images.detach().requires_grad_()
        labels = synthetic.labels.tolist()
        rows = {c: [i for i, label in enumerate(labels) if label == c] for c in self._own(sorted(set(labels)))}
        if not rows:  # more processes than classes
            value, gradient = processes.sums([leaf.new_zeros(()), torch.zeros_like(leaf)])
            return value, {"images": gradient}
        pieces = dict(enumerate(torch.split(batch.images, list(batch.counts))))
        draws = {c: self._draw(c, batch) for c in rows}
        real = [self.augment.apply(pieces[c], draws[c]) for c in rows]
        ours = [self.augment.apply(leaf[own], draws[c]) for c, own in rows.items()]
        aims = [aim for (aim,) in self._over_classes(self._aim, list(rows), real)]
        detached = [images.detach() for images in ours]
        gradients, values = zip(*self._over_classes(self._pulled, list(rows), detached, aims), strict=True)
        (gradient,) = torch.autograd.grad(ours, leaf, gradients)
        value = torch.stack(values).sum()
        if not self.network.has_random_layers:
            value, gradient = processes.sums([value, gradient])
        return value, {"images": gradient}

    def _own(self, classes: list[int]) -> list[int]:
        """The classes of this process. Dropout draws for one class after another, so that each then does them all."""
        return classes if self.network.has_random_layers else classes[processes.rank() :: processes.count()]

    def _draw(self, label: int, batch: ClassBatch) -> AugmentParameters:
        generator = seeded_generator(self.seed, "siamese augmentation", batch.iteration, label)
        return self.augment.draw(1, batch.images.shape[2:], generator, siamese=True).to(batch.images.device)

    def _student_loss(self, parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        return classification_loss(self.network(parameters, images), targets)

    def _noted_loss(self, parameters: Tensor, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        value = self._student_loss(parameters, images, targets)
        return value, value.detach()

    def _aim(self, targets: Tensor, images: Tensor) -> tuple[Tensor]:
        return (torch.func.grad(self._student_loss)(self._parameters, images, targets),)

    def _pulled(self, targets: Tensor, images: Tensor, aim: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of one class's distance on its synthetic images, and the distance."""

        def distance(images: Tensor) -> Tensor:
            gradient = torch.func.grad(self._student_loss)(self._parameters, images, targets)
            return self.loss(self._by_parameter(aim), self._by_parameter(gradient))

        gradient, value = torch.func.grad_and_value(distance)(images)
        return gradient, value

    def _by_parameter(self, flat: Tensor) -> list[Tensor]:
        shapes = self.network.shapes
        pieces = torch.split(flat, [shape.numel() for shape in shapes])
        return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def _over_classes(
        self,
        function: Callable[..., tuple[Tensor, ...]],
        classes: Sequence[int],
        images: Sequence[Tensor],
        *more: Sequence[Tensor],
    ) -> list[tuple[Tensor, ...]]:
        """``function(targets, images, ...)`` of every class: in one call, or in turn where their counts differ."""
        targets = [torch.full((len(own),), c, device=own.device) for c, own in zip(classes, images, strict=True)]
        arguments = [targets, images, *more]
        vmap = should_vmap(images[0], len(images[0])) if self.vmap is None else self.vmap
        if vmap and len({len(own) for own in images}) == 1 and not self.network.has_random_layers:
            results = torch.func.vmap(function)(*(torch.stack(list(argument)) for argument in arguments))
            return list(zip(*(result.unbind() for result in results), strict=True))
        return [function(*row) for row in zip(*arguments, strict=True)]
