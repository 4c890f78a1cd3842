"""Gradients of a network's loss on the images of every class, and distances between such gradients."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from monai_distill.losses.soft_cross_entropy import classification_loss
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.networks.gradients import in_parts, parameter_gradient
from monai_distill.networks.loss_derivatives import LossDerivatives
from monai_distill.networks.map_over_networks import should_vmap
from monai_distill.runtime.image_blocks import Images

__all__ = ["ClassGradients"]


class ClassGradients:
    """The gradient of every class's loss; in one call where classes have equal counts, and in parts that fit memory.

    All classes run in one call (``torch.func.vmap``), or one after another by plain autograd, which takes a fifth to a
    third less time than ``torch.func.grad`` in such a loop on a CPU. All ways agree to rounding.

    Args:
        network: the architecture; its memory budget decides how many images it takes at once.
        loss: function of two lists of gradients, one entry per parameter, to a scalar.
        vmap: whether all classes run in one call (``torch.func.vmap``; only where classes have equal counts); None for
            whatever is faster on the device. Networks with dropout take one class after another.

    Example:
        >>> from torch import nn
        >>> network = FlatNetwork(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
        >>> classes = ClassGradients(network, lambda real, synthetic: (real[0] - synthetic[0]).square().sum())
        >>> images, parameters = torch.ones(6, 1, 2, 2), network.initial(0)
        >>> targets = classes.gradients(parameters, {0: 3, 1: 3}, lambda label: images[:3], images)
        >>> distances, gradients = classes.distances(parameters, [0, 1], [images[:1], images[:2]], targets)
        >>> [tuple(gradient.shape) for gradient in gradients], [float(distance) for distance in distances]
        ([(1, 1, 2, 2), (2, 1, 2, 2)], [0.0, 0.0])
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
        self.derivatives = LossDerivatives(self._student_loss)

    def gradient(
        self, networks: int, for_vmap: bool = False
    ) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
        """A function of (parameters [P], images [n, C, *spatial], labels [n]) to the gradient [P] and the loss.

        Args:
            networks: networks or classes that run in one call.
            for_vmap: whether the function will be mapped by ``vmap``.
        """
        return in_parts(parameter_gradient(self._loss_with_value, for_vmap=for_vmap), self.network, networks)

    def gradients(
        self, parameters: Tensor, counts: Mapping[int, int], read: Callable[[int], Tensor], images: Images
    ) -> list[Tensor]:
        """The gradient [P] of every class.

        Args:
            parameters: [P].
            counts: number of images by class.
            read: reads the images [n, C, *spatial] of a class; one class after another where they run in turn.
            images: of all classes, for their shape and device.
        """
        stacked = self._in_one_call(list(counts.values()), images)
        gradient = self.gradient(len(counts) if stacked else 1, for_vmap=stacked)
        labels = [_labels(label, count, images.device) for label, count in counts.items()]
        if not stacked:
            return [gradient(parameters, read(c), label)[0] for c, label in zip(counts, labels, strict=True)]
        mapped = torch.func.vmap(lambda part, label: gradient(parameters, part, label)[0])
        return list(mapped(torch.stack([read(label) for label in counts]), torch.stack(labels)))

    def distances(
        self, parameters: Tensor, classes: Sequence[int], images: Sequence[Tensor], targets: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The distance of every class's gradient to its target, and the distance's gradient on the images.

        Args:
            parameters: [P].
            classes: class numbers.
            images: of every class [n, C, *spatial].
            targets: gradient of every class [P].

        Returns:
            The distances (scalars), and gradients [n, C, *spatial], of every class.
        """
        labels = [_labels(c, len(part), part.device) for c, part in zip(classes, images, strict=True)]
        most, memory = self._images_at_once(parameters, images[0]), self.network.memory

        def stacked() -> tuple[list[Tensor], list[Tensor]]:
            arguments = (torch.stack(list(argument)) for argument in (labels, images, targets))
            mapped = torch.func.vmap(lambda *row: self._distance_and_gradient(parameters, *row))
            gradients, values = mapped(*arguments)
            return list(values), list(gradients)

        def in_turn() -> tuple[list[Tensor], list[Tensor]]:
            rows = zip(labels, images, targets, strict=True)
            pairs = [self._distance_in_parts(parameters, *row, most) for row in rows]
            return [value for _, value in pairs], [gradient for gradient, _ in pairs]

        if not self._in_one_call([len(part) for part in images], images[0]):
            return in_turn()
        return memory.whole_or_parts(sum(map(len, images)), most, stacked, in_turn)

    def _distance_in_parts(
        self, parameters: Tensor, labels: Tensor, images: Tensor, target: Tensor, most: int | None
    ) -> tuple[Tensor, Tensor]:
        """The gradient of one class's distance on its images, and the distance.

        Where the images do not fit at once, the gradient on the parameters is added up first. The distance gives its
        cotangent, and every part of the images is differentiated along it.
        """
        derivatives, memory, count = self.derivatives, self.network.memory, len(images)

        def whole() -> tuple[Tensor, Tensor]:
            leaf = images.detach().requires_grad_()
            value = self._distance(target, derivatives.gradient_with_graph(parameters, leaf, labels))
            return torch.autograd.grad(value, leaf)[0], value.detach()

        def parts() -> tuple[Tensor, Tensor]:
            def share(rows: slice) -> Tensor:
                weight = (rows.stop - rows.start) / count
                part: Tensor = weight * derivatives.gradient(parameters, images[rows], labels[rows])
                return part

            gradient = torch.stack(list(memory.over(count, most, share))).sum(dim=0).requires_grad_()
            value = self._distance(target, gradient)
            (cotangent,) = torch.autograd.grad(value, gradient)

            def along(rows: slice) -> Tensor:
                leaf = images[rows].detach().requires_grad_()
                weight = (rows.stop - rows.start) / count
                direction = weight * cotangent
                slopes: tuple[Tensor, ...] = derivatives.along(parameters, leaf, labels[rows], direction, [leaf])[1]
                return slopes[0]

            return torch.cat(list(memory.over(count, most, along))), value.detach()

        return memory.whole_or_parts(count, most, whole, parts) if self.network.is_separable else whole()

    def _distance_and_gradient(
        self, parameters: Tensor, labels: Tensor, images: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The gradient of one class's distance on its images, and the distance, by functions that ``vmap`` can map."""

        def distance(images: Tensor) -> Tensor:
            return self._distance(target, torch.func.grad(self._student_loss)(parameters, images, labels))

        gradient, value = torch.func.grad_and_value(distance)(images)
        return gradient, value

    def _distance(self, target: Tensor, gradient: Tensor) -> Tensor:
        return self.loss(self._by_parameter(target), self._by_parameter(gradient))

    def _by_parameter(self, flat: Tensor) -> list[Tensor]:
        shapes = self.network.shapes
        vectors = torch.split(flat, [shape.numel() for shape in shapes])
        return [vector.reshape(shape) for vector, shape in zip(vectors, shapes, strict=True)]

    def _images_at_once(self, parameters: Tensor, images: Tensor) -> int | None:
        def graph(count: int) -> Tensor:
            zeros = images.new_zeros(count, *images.shape[1:]).requires_grad_()
            return self.derivatives.gradient_with_graph(parameters, zeros, _labels(0, count, images.device))

        memory = self.network.memory
        if memory.budget is None or not self.network.is_separable:
            return None
        return memory.most(memory.graph_size(("distance", *images.shape[1:]), graph))

    def _student_loss(self, parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        return classification_loss(self.network(parameters, images), targets)

    def _loss_with_value(self, parameters: Tensor, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        value = self._student_loss(parameters, images, targets)
        return value, value.detach()

    def _in_one_call(self, counts: Sequence[int], images: Images) -> bool:
        vmap = should_vmap(images, counts[0]) if self.vmap is None else self.vmap
        return vmap and len(set(counts)) == 1 and not self.network.has_random_layers


def _labels(label: int, count: int, device: torch.device) -> Tensor:
    return torch.full((count,), label, device=device)
