"""One SGD step of a student as a function of its state and of the synthetic set, and that function's derivative."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_distill.networks.loss_derivatives import LossDerivatives
from monai_distill.runtime.micro_batches import GraphSize
from monai_distill.transforms.siamese_augment import AugmentParameters, SiameseAugment

from .student_plan import StudentPlan

__all__ = ["StudentStep"]


Replayable = Callable[[int], contextlib.AbstractContextManager[None]]


class StudentStep:
    """``state - student_lr * gradient`` on the augmented images of a step; differentiable in the states and the set.

    One student, or several in one call: their states are stacked, and each has its own plan.

    Args:
        derivatives: of the sum of the students' losses.
        augment: applied with the plans' augmentation parameters.
        names: names of the leaves, in their order: ``images``, ``student_lr`` and, where they are learned,
            ``label_logits``.
        plans: one per student; their batches of one step have one size.
        images_at_once: images of a student whose graph is held at once; None for all of a step.
        decode: function of (canvases, numbers [n]) to images [n, C, *spatial]; by default, canvases are images.
        replayable: function of a step number to a block in which a forward pass is random in the same way every time.

    Example:
        >>> from torch import nn
        >>> from monai_distill.networks import FlatNetwork
        >>> network = FlatNetwork(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
        >>> loss = LossDerivatives(
        ...     lambda p, images, labels: nn.functional.cross_entropy(network(p[0], images[0]), labels[0]))
        >>> plan = StudentPlan([torch.arange(3)], [AugmentParameters("none", {})], [torch.tensor([0, 1, 0])])
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
        decode: Callable[[Tensor, Tensor], Tensor] = torch.Tensor.__getitem__,
        replayable: Replayable = lambda number: contextlib.nullcontext(),
    ) -> None:
        self.derivatives = derivatives
        self.augment = augment
        self.names = tuple(names)
        self.plans = plans
        self.images_at_once = images_at_once
        self.decode = decode
        self.replayable = replayable

    def __call__(self, states: Tensor, leaves: Sequence[Tensor], number: int) -> Tensor:
        """The next states [S, P]; with a graph if the states or a leaf require a gradient."""
        images, targets, student_lr = self._inputs(leaves, number)
        graph = torch.is_grad_enabled() and any(t.requires_grad for t in (states, images, targets))
        parts = [(images, targets)] if graph else self._parts(images, targets)
        with self.replayable(number):
            gradients = (self._gradient(states, *part, images.shape[1], graph) for part in parts)
            total = next(gradients)
            for gradient in gradients:
                total += gradient
        return torch.addcmul(states, student_lr, total, value=-1)

    def vjp(
        self, states: Tensor, leaves: Sequence[Tensor], number: int, cotangent: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """The vector-Jacobian product of a step: cotangents of the states [S, P] and of every leaf.

        Holds the graph of ``images_at_once`` images of a student at a time.

        Args:
            states: before the step, [S, P].
            leaves: the leaves, in the order of ``names``.
            number: of the step.
            cotangent: of the next states, [S, P].
        """
        copies = [leaf.detach().requires_grad_() for leaf in leaves]
        images, targets, student_lr = self._inputs(copies, number)
        learned = [t for t in (images, targets) if t.requires_grad]
        by_states, by_lr, by_learned = cotangent, list[Tensor](), [list[Tensor]() for _ in learned]
        with self.replayable(number):
            for part in self._parts(images.detach(), targets.detach()):
                vectors = states.detach().requires_grad_()
                inputs = [
                    t.requires_grad_() for t, full in zip(part, (images, targets), strict=True) if full.requires_grad
                ]
                slope, (by_vectors, *by_inputs) = self.derivatives.along(vectors, *part, cotangent, [vectors, *inputs])
                share = part[0].shape[1] / images.shape[1]
                scale = -share * student_lr.detach()
                by_states = torch.addcmul(by_states, scale, by_vectors)
                by_lr.append(-share * slope)
                for parts, value in zip(by_learned, by_inputs, strict=True):
                    parts.append(scale * value)
        cotangents = [values[0] if len(values) == 1 else torch.cat(values, dim=1) for values in by_learned]
        others = [copy for name, copy in zip(self.names, copies, strict=True) if name != "student_lr"]
        by_others = iter(torch.autograd.grad(learned, others, cotangents, allow_unused=True, materialize_grads=True))
        return by_states, [sum(by_lr[1:], by_lr[0]) if name == "student_lr" else next(by_others) for name in self.names]

    def graph_bytes(self, states: Tensor, leaves: Sequence[Tensor]) -> GraphSize:
        """Bytes of a step's graph that do not depend on its images, and bytes for every image of each student.

        Both follow from steps on two and on three images, which take little memory. The augmentation, which holds a few
        copies of an image, is left out.
        """
        start, copies = states.detach().requires_grad_(), [leaf.detach().requires_grad_() for leaf in leaves]

        def step_on(count: int) -> Tensor:
            def several(batches: Sequence[Tensor]) -> list[Tensor]:
                return [batches[0][:1].expand(count, *batches[0].shape[1:])]

            no_change = [AugmentParameters("none", {})]
            plans = [
                StudentPlan(several(plan.batches), no_change, plan.labels and several(plan.labels))
                for plan in self.plans
            ]
            small = StudentStep(
                self.derivatives,
                SiameseAugment(()),
                names=self.names,
                plans=plans,
                decode=self.decode,
                replayable=self.replayable,
            )
            return small(start, copies, 0)

        return GraphSize.of(step_on)  # from two images on: batch norm refuses a single one

    def _inputs(self, leaves: Sequence[Tensor], number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented images [S, n, C, *spatial], targets [S, n] or [S, n, classes] and learning rate of the step."""
        values = dict(zip(self.names, leaves, strict=True))
        images, targets = [], []
        for plan in self.plans:
            rows = plan.batches[number]
            images.append(self.augment.apply(self.decode(values["images"], rows), plan.augmentations[number]))
            targets.append(values["label_logits"][rows] if plan.labels is None else plan.labels[number])
        return _stacked(images), _stacked(targets), values["student_lr"]

    def _parts(self, images: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
        size = self.images_at_once or images.shape[1]
        return list(zip(torch.split(images, size, dim=1), torch.split(targets, size, dim=1), strict=True))

    def _gradient(self, states: Tensor, images: Tensor, targets: Tensor, count: int, graph: bool) -> Tensor:
        """The share of ``images`` in the gradients [S, P] of the mean losses over ``count`` images each."""
        gradient = (self.derivatives.gradient_with_graph if graph else self.derivatives.gradient)(
            states, images, targets
        )
        return gradient if images.shape[1] == count else gradient * (images.shape[1] / count)


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """``torch.stack`` that does not copy a single tensor."""
    return tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))
