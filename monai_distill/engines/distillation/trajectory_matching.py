"""The objective of the trajectory family: a student trained on the synthetic set should end where the expert went."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_distill.data import Segment, SyntheticDataset
from monai_distill.losses import TrajectoryMatchingLoss, classification_loss
from monai_distill.networks import FlatNetwork, LossDerivatives, should_vmap
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.transforms import SiameseAugment

from .student_step import StudentPlan, StudentStep, images_are_separable
from .unroll import unrolled_gradient

__all__ = ["TrajectoryMatching"]


class TrajectoryMatching:
    """Unroll N student steps from a segment's start and return loss and exact gradients of the synthetic parameters.

    Of several segments it is the mean over them; of several processes with as many each, the mean that the
    ``Distiller`` takes is that of all.

    References:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022, algorithm 1.

    Deviations: the same gradient at a memory that need not grow with N (see :func:`unrolled_gradient`); augmentation is
    drawn from the run's seed, the iteration number and the segment's place in it, never from a global state; where a
    round does not divide into whole batches, its short one comes last (the original takes it first).

    Args:
        network: the student's architecture, the same as the experts'.
        augment: one operation per student step, drawn from the seed.
        student_steps: SGD steps of the student (N).
        batch_size: synthetic images per step; None for all. Rounds are shuffled and cut, the last batch of a round may
            be smaller.
        chunk: student steps whose graph is held at once; None for as many as ``memory_budget`` allows.
        images_at_once: images of a step whose graph is held at once where ``chunk`` is 1; None for as many as
            ``memory_budget`` allows. Networks that mix the images of a batch, or draw, take all.
        memory_budget: MiB for the graph, of all students that run in one call; both choices depend on this and on their
            number alone, so that a resumed run makes them again.
        loss: function of (states, segment) to a scalar.
        truncated: the truncated gradient of Cui et al. 2023 instead of the exact one, for comparison.
        teacher_labels: the students learn what the segment's target predicts of the synthetic images, anew in every
            iteration (Cui et al. 2023); the set's own labels get no gradient then.
        temperature: of the softmax in the students' loss (see :func:`classification_loss`).
        vmap: whether the students of several segments run in one call; by default where that is faster (see
            :func:`should_vmap`). Networks that draw run one after another.
        compiled: students' steps through ``torch.compile`` (see :class:`LossDerivatives`), one at a time.
        seed: seed of the run.

    Raises:
        ValueError: for no steps, an empty batch, a temperature that is not above 0, or compiled steps of a network that
            draws or of a chunk above 1.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> match = TrajectoryMatching(network, SiameseAugment(()), student_steps=2)
        >>> data = SyntheticDataset(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, Segment(0, 0, 0, network.initial(0), network.initial(1)))
        >>> sorted(gradients)
        ['images', 'student_lr']
    """

    def __init__(
        self,
        network: FlatNetwork,
        augment: SiameseAugment,
        *,
        student_steps: int,
        batch_size: int | None = None,
        chunk: int | None = None,
        images_at_once: int | None = None,
        memory_budget: float = 512.0,
        loss: Callable[[Sequence[Tensor], Segment], Tensor] | None = None,
        truncated: bool = False,
        teacher_labels: bool = False,
        temperature: float = 1.0,
        vmap: bool | None = None,
        compiled: bool | str = False,
        seed: int = 0,
    ) -> None:
        _require_numbers(student_steps, batch_size, images_at_once, temperature)
        if compiled and chunk not in (None, 1):
            raise ValueError(f"Expected a chunk of 1 for compiled steps, got {chunk}. Leave it out.")
        if compiled and network.has_random_layers:  # a compiled step and its derivative would drop differently
            raise ValueError("Expected a network without dropout for compiled steps, got one that draws.")
        self.network = network
        self.augment = augment
        self.student_steps = student_steps
        self.batch_size = batch_size
        self.chunk = 1 if compiled else chunk
        self.images_at_once = images_at_once
        self.memory_budget = memory_budget
        self.loss = TrajectoryMatchingLoss() if loss is None else loss
        self.truncated = truncated
        self.teacher_labels = teacher_labels
        self.vmap = vmap
        self.derivatives = LossDerivatives(
            _added_up(lambda p, images, targets: classification_loss(network(p, images), targets, temperature)),
            compiled=compiled,
        )
        self.seed = seed
        self._checked = not compiled

    def check(self, shape: Sequence[int]) -> None:
        """Refuse a network whose compiled steps would have a wrong gradient; nothing where they are not compiled.

        Args:
            shape: of an image, [C, *spatial]; its values do not matter.

        Raises:
            ValueError: for such a network (see :meth:`LossDerivatives.check`).
        """
        if not self._checked:
            device = next(self.network.module.parameters()).device
            images = torch.randn(2, *shape, generator=seeded_generator(self.seed, "check"))
            start = self.network.initial(self.seed)
            self.derivatives.check(*(t[None].to(device) for t in (start, images, torch.arange(2))))
        self._checked = True

    def __call__(
        self, synthetic: SyntheticDataset, batch: Segment | Sequence[Segment]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar) and a gradient for every parameter of ``synthetic``, by name.

        Raises:
            ValueError: without a segment.
        """
        segments = [batch] if isinstance(batch, Segment) else list(batch)
        if not segments:
            raise ValueError("Expected at least one segment for an iteration, got none.")
        self.check(synthetic.images.shape[1:])
        groups = [segments] if self._stacks(synthetic) else [[segment] for segment in segments]
        total, gradients = self._matched(synthetic, groups[0])
        for group in groups[1:]:
            loss, more = self._matched(synthetic, group)
            total, gradients = total + loss, {name: gradients[name] + more[name] for name in gradients}
        return total / len(groups), {name: gradient / len(groups) for name, gradient in gradients.items()}

    def _stacks(self, synthetic: SyntheticDataset) -> bool:
        if self.vmap is None:
            return not self.network.has_random_layers and should_vmap(
                synthetic.images, self.batch_size or len(synthetic)
            )
        return self.vmap and not self.network.has_random_layers

    def _matched(self, synthetic: SyntheticDataset, segments: Sequence[Segment]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss and gradients of segments whose students run in one call."""
        named = dict(synthetic.named_parameters())
        step = StudentStep(
            self.derivatives,
            self.augment,
            names=list(named),
            plans=[self._plan(synthetic, segment) for segment in segments],
            replayable=lambda number: self._replayable(_path(segments[0]), number),
        )
        starts = torch.stack([segment.start for segment in segments])
        if self.chunk is None or self.images_at_once is None:
            self._choose(step, starts, list(named.values()))
        assert self.chunk is not None  # just chosen
        step.images_at_once = self.images_at_once

        def loss(states: Sequence[Tensor]) -> Tensor:
            own = [self.loss([state[i] for state in states], segment) for i, segment in enumerate(segments)]
            return torch.stack(own).mean()

        value, gradients = unrolled_gradient(
            step, starts, list(named.values()), self.student_steps, loss, self.chunk, self.truncated, step.pulled
        )
        return value, dict(zip(named, gradients, strict=True))

    def _plan(self, synthetic: SyntheticDataset, segment: Segment) -> StudentPlan:
        generator = seeded_generator(self.seed, "student steps", *_path(segment))
        labels = self._fixed_labels(synthetic, segment)
        return StudentPlan.drawn(synthetic, self.augment, self.student_steps, self.batch_size, generator, labels)

    def _fixed_labels(self, synthetic: SyntheticDataset, batch: Segment) -> Tensor | None:
        """The students' targets where these are not learned: class numbers [n], or the expert's logits [n, classes]."""
        if self.teacher_labels:
            return self.network.predict(batch.target, synthetic.images.detach())
        return None if synthetic.soft else synthetic.labels

    def _replayable(self, path: Sequence[int], number: int) -> contextlib.AbstractContextManager[None]:
        """A step is computed more than once; dropout must drop the same every time."""
        if not self.network.has_random_layers:
            return contextlib.nullcontext()
        return temporary_global_seed(derived_seed(self.seed, "dropout", *path, number))

    def _choose(self, step: StudentStep, starts: Tensor, leaves: Sequence[Tensor]) -> None:
        """Steps, and where one step is too much images, whose graph the budget allows."""
        count, separable = len(step.plans[0].batches[0]), images_are_separable(self.network)
        fixed, per_image = step.graph_bytes(starts, leaves)
        budget = self.memory_budget * 2**20
        if self.chunk is None:
            self.chunk = max(1, min(self.student_steps, int(budget / (fixed + count * per_image))))
        if self.images_at_once is None:
            most = max(1, min(count, int((budget - fixed) / per_image))) if separable else count
            self.images_at_once = -(-count // -(-count // most))  # parts of one size, where they can be


def _require_numbers(
    student_steps: int, batch_size: int | None, images_at_once: int | None, temperature: float
) -> None:
    if any(count is not None and count < 1 for count in (student_steps, batch_size, images_at_once)):
        raise ValueError(
            "Expected at least 1 student step, 1 image per batch and 1 image at once, got "
            f"{student_steps}, {batch_size} and {images_at_once}."
        )
    if not temperature > 0:
        raise ValueError(f"Expected a temperature above 0, got {temperature}.")


def _path(segment: Segment) -> tuple[int, ...]:
    """What the draws of a segment's student follow from, beside the seed."""
    return (segment.iteration, segment.place) if segment.place else (segment.iteration,)


def _added_up(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The sum of a student's loss over stacked parameters [S, P], images [S, n, ...] and targets."""

    def total(parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        if len(parameters) == 1:  # the layers' own derivatives are faster than mapped ones
            return loss(parameters[0], images[0], targets[0])
        values: Tensor = torch.func.vmap(loss)(parameters, images, targets)
        return values.sum()

    return total
