"""One SGD step of a student as a function of its state and of the synthetic set, and that function's derivative."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from monai_distill.data import SyntheticDataset
from monai_distill.networks import FlatNetwork, LossDerivatives
from monai_distill.transforms import AugmentParameters, SiameseAugment

__all__ = ["StudentPlan", "StudentStep", "graph_bytes", "images_are_separable"]


class StudentPlan(NamedTuple):
    """Which images a student sees in every step, how they are augmented, and what it learns of them.

    Attributes:
        batches: positions [n] of a step's images in the set.
        draws: one per step.
        labels: of the whole set, class numbers [N] or logits [N, classes]; None where the set learns its own.

    Example:
        >>> data = SyntheticDataset(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 0]), ["a", "b"])
        >>> plan = StudentPlan.drawn(data, SiameseAugment(()), 2, None, torch.Generator().manual_seed(0), data.labels)
        >>> [sorted(rows.tolist()) for rows in plan.batches], len(plan.draws)
        ([[0, 1, 2], [0, 1, 2]], 2)
    """

    batches: Sequence[Tensor]
    draws: Sequence[AugmentParameters]
    labels: Tensor | None

    @classmethod
    def drawn(
        cls,
        synthetic: SyntheticDataset,
        augment: SiameseAugment,
        steps: int,
        batch_size: int | None,
        generator: torch.Generator,
        labels: Tensor | None,
    ) -> StudentPlan:
        """A plan of so many steps: shuffled rounds over the set, cut into batches, of which the last may be smaller."""
        count, device = len(synthetic), synthetic.images.device
        size = count if batch_size is None else min(batch_size, count)
        batches: list[Tensor] = []
        while len(batches) < steps:
            batches += torch.split(torch.randperm(count, generator=generator), size)
        lengths = [len(rows) for rows in batches[:steps]]
        shape = synthetic.images.shape[2:]
        draws = [augment.draw(length, shape, generator).to(device) for length in lengths]
        together = torch.cat(batches[:steps]).to(device, non_blocking=True)  # one transfer
        return cls(torch.split(together, lengths), draws, labels)


def graph_bytes(computation: Callable[[], object]) -> int:
    """Bytes of the tensors that autograd keeps for the backward pass of ``computation``, each storage counted once.

    The figure depends on the computation alone, not on what else is in memory, so a choice made from it can be
    repeated.

    Example:
        >>> weight = torch.ones(1000, requires_grad=True)
        >>> graph_bytes(lambda: (weight * torch.ones(1000)).sum()) >= 4000
        True
    """
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        kept = computation()  # alive until counted: a freed storage could come again under its address
    total = sum(storages.values())
    del kept
    return total


Replayable = Callable[[int], contextlib.AbstractContextManager[None]]


def images_are_separable(network: FlatNetwork) -> bool:
    """Whether a batch's gradient is the sum of its images' gradients: no dropout mask, no batch statistics.

    Example:
        >>> images_are_separable(FlatNetwork(lambda: nn.Linear(2, 2)))
        True
    """
    mixes = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.module.modules())
    return not (network.has_random_layers or mixes)


class StudentStep:
    """``state - student_lr * gradient`` on the augmented images of a step; differentiable in the states and the set.

    Of one student or of several in one call, each with a plan of its own: their states are stacked.

    Args:
        derivatives: of the students' losses, added up.
        augment: applied with the plans' draws.
        names: what the leaves are, in their order: ``images``, ``student_lr`` and, where they are learned,
            ``label_logits``.
        plans: one per student; their batches of one step have one size.
        images_at_once: images of a student whose graph is held at once; None for all of a step.
        replayable: step number -> a block in which a forward pass draws the same every time.

    Example:
        >>> network = FlatNetwork(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
        >>> loss = LossDerivatives(
        ...     lambda p, images, labels: nn.functional.cross_entropy(network(p[0], images[0]), labels[0]))
        >>> plan = StudentPlan([torch.arange(3)], [AugmentParameters("none", {})], torch.tensor([0, 1, 0]))
        >>> step = StudentStep(loss, SiameseAugment(()), names=["images", "student_lr"], plans=[plan])
        >>> step(torch.zeros(1, 10), [torch.ones(3, 1, 2, 2), torch.tensor(0.1)], 0).shape
        torch.Size([1, 10])
    """

    def __init__(
        self,
        derivatives: LossDerivatives,
        augment: SiameseAugment,
        *,
        names: Sequence[str],
        plans: Sequence[StudentPlan],
        images_at_once: int | None = None,
        replayable: Replayable = lambda number: contextlib.nullcontext(),
    ) -> None:
        self.derivatives = derivatives
        self.augment = augment
        self.names = tuple(names)
        self.plans = plans
        self.images_at_once = images_at_once
        self.replayable = replayable

    def __call__(self, states: Tensor, leaves: Sequence[Tensor], number: int) -> Tensor:
        """The next states [S, P]; with a graph where a gradient of the states or of a leaf is asked for."""
        images, targets, student_lr = self._inputs(leaves, number)
        graph = torch.is_grad_enabled() and any(t.requires_grad for t in (states, images, targets))
        parts = [(images, targets)] if graph else self._parts(images, targets)
        with self.replayable(number):
            gradients = (self._gradient(states, *part, images.shape[1], graph) for part in parts)
            total = next(gradients)
            for gradient in gradients:
                total += gradient
        return states - student_lr * total

    def pulled(
        self, states: Tensor, leaves: Sequence[Tensor], number: int, cotangent: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Cotangents of the states [S, P] and of every leaf, for ``cotangent`` [S, P] of the next states.

        Holds the graph of ``images_at_once`` images of a student at a time.
        """
        copies = [leaf.detach().requires_grad_() for leaf in leaves]
        images, targets, student_lr = self._inputs(copies, number)
        onward, by_step = cotangent.clone(), torch.zeros_like(student_lr)
        reached = [t for t in (images, targets) if t.requires_grad]
        found: list[list[Tensor]] = [[] for _ in reached]
        with self.replayable(number):
            for part in self._parts(images.detach(), targets.detach()):
                vectors = states.detach().requires_grad_()
                ends = [
                    t.requires_grad_() for t, whole in zip(part, (images, targets), strict=True) if whole.requires_grad
                ]
                slope, (by_state, *by_ends) = self.derivatives.along(vectors, *part, cotangent, [vectors, *ends])
                share = part[0].shape[1] / images.shape[1]
                scale = -share * student_lr.detach()
                onward += scale * by_state
                by_step = by_step - share * slope
                for place, value in zip(found, by_ends, strict=True):
                    place.append(scale * value)
        pulls = [torch.cat(values, dim=1) for values in found]
        grads = torch.autograd.grad(reached, copies, pulls, allow_unused=True, materialize_grads=True)
        place_of_step = self.names.index("student_lr")
        return onward, [g + by_step if i == place_of_step else g for i, g in enumerate(grads)]

    def graph_bytes(self, states: Tensor, leaves: Sequence[Tensor]) -> tuple[int, int]:
        """Bytes of a step's graph that do not depend on its images, and bytes for every image of each student.

        Counted on two and on three images, so that finding out takes no memory to speak of; without the augmentation,
        whose share is a few copies of an image.
        """
        start, copies = states.detach().requires_grad_(), [leaf.detach().requires_grad_() for leaf in leaves]

        def counted(count: int) -> int:
            plans = [
                StudentPlan([plan.batches[0][:1].expand(count)], [AugmentParameters("none", {})], plan.labels)
                for plan in self.plans
            ]
            few = StudentStep(
                self.derivatives, SiameseAugment(()), names=self.names, plans=plans, replayable=self.replayable
            )
            return graph_bytes(lambda: few(start, copies, 0))

        two, three = counted(2), counted(3)  # not one: batch statistics of one image are refused
        return max(3 * two - 2 * three, 0), max(three - two, 1)

    def _inputs(self, leaves: Sequence[Tensor], number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented images [S, n, C, *spatial], targets [S, n] or [S, n, classes] and learning rate of the step."""
        values = dict(zip(self.names, leaves, strict=True))
        images, targets = [], []
        for plan in self.plans:
            rows = plan.batches[number]
            images.append(self.augment.apply(values["images"][rows], plan.draws[number]))
            targets.append((values["label_logits"] if plan.labels is None else plan.labels)[rows])
        return _stacked(images), _stacked(targets), values["student_lr"]

    def _parts(self, images: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
        size = self.images_at_once or images.shape[1]
        return list(zip(torch.split(images, size, dim=1), torch.split(targets, size, dim=1), strict=True))

    def _gradient(self, states: Tensor, images: Tensor, targets: Tensor, count: int, graph: bool) -> Tensor:
        """The share that ``images`` have in the gradients [S, P] of the mean losses over ``count`` images each."""
        gradient = self.derivatives.gradient_with_graph if graph else self.derivatives.gradient
        found, own = gradient(states, images, targets), images.shape[1]
        return found if own == count else found * (own / count)


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """As ``torch.stack``; of a single one without a copy."""
    return tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))
