"""The gradients of a network on the images of every class, and the derivative of their distance."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_distill.losses import classification_loss
from monai_distill.networks import FlatNetwork, should_vmap

__all__ = ["ClassGradients"]

PerClass = Callable[..., tuple[Tensor, ...]]


class ClassGradients:
    """A network's gradient for every class of images, and the distance of two such gradients with its derivative.

    All classes run in one call (``torch.func.vmap``), or one after another by plain autograd. Both agree to rounding.
    Plain autograd takes a fifth to a third less time than ``torch.func.grad`` in such a loop on a CPU.

    Args:
        network: the architecture.
        loss: function of two lists of gradients, one entry per parameter, to a scalar.
        vmap: whether all classes run in one call; by default whatever is faster on the device. Classes of different
            counts and networks with dropout run one after another.

    Example:
        >>> from torch import nn
        >>> network = FlatNetwork(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
        >>> gradients = ClassGradients(network, lambda real, other: (real[0] - other[0]).square().sum())
        >>> targets = gradients.of(torch.zeros(10), [0, 1], [torch.ones(3, 1, 2, 2)] * 2)
        >>> values, by_images = gradients.distances(torch.zeros(10), [0, 1], [torch.ones(1, 1, 2, 2)] * 2, targets)
        >>> targets[0].shape, float(values[0]), by_images[0].shape
        (torch.Size([10]), 0.0, torch.Size([1, 1, 2, 2]))
    """

    def __init__(
        self,
        network: FlatNetwork,
        loss: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor],
        vmap: bool | None = None,
    ) -> None:
        self.network = network
        self.loss = loss
        self.vmap = vmap

    def of(self, parameters: Tensor, classes: Sequence[int], images: Sequence[Tensor]) -> list[Tensor]:
        """The gradient [P] of the classification loss for every class.

        Args:
            parameters: [P].
            classes: class numbers.
            images: of every class, [n, C, *spatial].
        """

        def mapped(labels: Tensor, images: Tensor) -> tuple[Tensor]:
            return (torch.func.grad(self._student_loss)(parameters, images, labels),)

        def plain(labels: Tensor, images: Tensor) -> tuple[Tensor]:
            return (self._plain_gradient(parameters, images, labels, graph=False),)

        return [gradient for (gradient,) in self._over_classes(mapped, plain, classes, images)]

    def distances(
        self, parameters: Tensor, classes: Sequence[int], images: Sequence[Tensor], targets: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The distance of every class's gradient to its target, and the derivative with respect to the images.

        Args:
            parameters: [P].
            classes: class numbers.
            images: of every class, [n, C, *spatial].
            targets: gradients [P], one per class.
        """

        def mapped(labels: Tensor, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
            def distance(images: Tensor) -> Tensor:
                gradient = torch.func.grad(self._student_loss)(parameters, images, labels)
                return self.loss(self._by_parameter(target), self._by_parameter(gradient))

            by_images, value = torch.func.grad_and_value(distance)(images)
            return value, by_images

        def plain(labels: Tensor, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                leaf = images.detach().requires_grad_()
                gradient = self._plain_gradient(parameters, leaf, labels, graph=True)
                value = self.loss(self._by_parameter(target), self._by_parameter(gradient))
            return value.detach(), torch.autograd.grad(value, leaf)[0]

        pairs = self._over_classes(mapped, plain, classes, images, targets)
        return [value for value, _ in pairs], [by_images for _, by_images in pairs]

    def _student_loss(self, parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        return classification_loss(self.network(parameters, images), targets)

    def _plain_gradient(self, parameters: Tensor, images: Tensor, labels: Tensor, *, graph: bool) -> Tensor:
        with torch.enable_grad():
            leaf = parameters.detach().requires_grad_()
            return torch.autograd.grad(self._student_loss(leaf, images, labels), leaf, create_graph=graph)[0]

    def _by_parameter(self, flat: Tensor) -> list[Tensor]:
        shapes = self.network.shapes
        vectors = torch.split(flat, [shape.numel() for shape in shapes])
        return [vector.reshape(shape) for vector, shape in zip(vectors, shapes, strict=True)]

    def _over_classes(
        self,
        mapped: PerClass,
        plain: PerClass,
        classes: Sequence[int],
        images: Sequence[Tensor],
        *more: Sequence[Tensor],
    ) -> list[tuple[Tensor, ...]]:
        """The results of every class, by ``mapped`` in one call or by ``plain`` in turn."""
        labels = [torch.full((len(part),), c, device=part.device) for c, part in zip(classes, images, strict=True)]
        arguments = [labels, images, *more]
        vmap = should_vmap(images[0], len(images[0])) if self.vmap is None else self.vmap
        if vmap and len({len(part) for part in images}) == 1 and not self.network.has_random_layers:
            results = torch.func.vmap(mapped)(*(torch.stack(list(argument)) for argument in arguments))
            return list(zip(*(result.unbind() for result in results), strict=True))
        return [plain(*row) for row in zip(*arguments, strict=True)]
