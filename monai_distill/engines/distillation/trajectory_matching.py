"""The objective of trajectory matching (MTT and its family): a student should arrive where the expert arrived."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_distill.data.segment_sampler import Segment
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.losses.mtt_loss import TrajectoryMatchingLoss
from monai_distill.losses.soft_cross_entropy import classification_loss
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.networks.loss_derivatives import LossDerivatives
from monai_distill.networks.map_over_networks import should_vmap
from monai_distill.runtime.micro_batches import is_out_of_memory
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.transforms.siamese_augment import SiameseAugment

from .inner_loop import InnerLoop, UnrollMemory
from .student_plan import StudentPlan
from .student_step import StudentStep
from .unroll import unrolled_gradient

__all__ = ["TrajectoryMatching"]


class TrajectoryMatching:
    """Unroll N student steps from a segment's start; return the loss and exact gradients of the synthetic parameters.

    For several segments these are the means over the segments. The ``Distiller`` then averages over the processes.

    References:
        MTT: Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
        https://arxiv.org/abs/2203.11932, algorithm 1.
        TESLA: Cui et al., Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory, ICML 2023,
        https://arxiv.org/abs/2211.10586 (``truncated`` and ``teacher_labels``).
        FTD, ATT, DATM, PAD and HoP-TM change the experts, the segments, the labels or the loss, not this class.

    Deviations: the same gradient at a memory that need not grow with N (see :func:`unrolled_gradient`). Augmentation
    parameters follow from the run's seed, the iteration and the segment's place in it, not from a global state. Where a
    round does not divide into whole batches, the short batch comes last (in MTT's program it comes first).

    Args:
        network: the student's architecture, which is the experts'.
        augment: one operation per student step.
        inner: the student's steps.
        memory: how much of their graph is held at once.
        loss: function of (states, segment) to a scalar; by default
            :class:`~monai_distill.losses.TrajectoryMatchingLoss`.
        truncated: TESLA's truncated gradient instead of the exact one, for comparison.
        teacher_labels: in every iteration the students learn what the segment's target predicts for the synthetic
            images (TESLA). The set's own labels get no gradient then.
        seed: seed of the run.

    Raises:
        ValueError: if compiled steps are requested for a network with dropout or for a chunk above 1.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> match = TrajectoryMatching(network, SiameseAugment(()), inner=InnerLoop(steps=2))
        >>> data = SyntheticDataset(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, Segment(0, 0, 0, network.initial(0), network.initial(1)))
        >>> sorted(gradients)
        ['images', 'student_lr']
    """

    learning_rates = ("student_lr", "expert_lr")  # settings that make a first loss infinite

    def __init__(
        self,
        network: FlatNetwork,
        augment: SiameseAugment,
        *,
        inner: InnerLoop,
        memory: UnrollMemory | None = None,
        loss: Callable[[Sequence[Tensor], Segment], Tensor] | None = None,
        truncated: bool = False,
        teacher_labels: bool = False,
        seed: int = 0,
    ) -> None:
        memory = UnrollMemory() if memory is None else memory
        if inner.compiled:
            _require_compilable(network, memory)
            memory = dataclasses.replace(memory, chunk=1)
        self.network = network
        self.augment = augment
        self.inner = inner
        self.memory = memory
        self.loss = TrajectoryMatchingLoss() if loss is None else loss
        self.truncated = truncated
        self.teacher_labels = teacher_labels
        self.derivatives = LossDerivatives(
            _sum_over_students(lambda p, images, y: classification_loss(network(p, images), y, inner.temperature)),
            compiled=inner.compiled,
        )
        self.seed = seed
        self._checked = not self.derivatives.needs_check

    def check(self, shape: Sequence[int]) -> None:
        """Refuse a network whose compiled steps would have a wrong gradient; uncompiled steps need no check.

        Args:
            shape: of an image, [C, *spatial]; its values do not matter.

        Raises:
            ValueError: for such a network (see :meth:`~monai_distill.networks.loss_derivatives.LossDerivatives.check`).
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
            ValueError: if there is no segment.
        """
        segments = [batch] if isinstance(batch, Segment) else list(batch)
        if not segments:
            raise ValueError("Expected at least one segment for an iteration, got none. Set per_step to 1 or more.")
        self.check(synthetic.images.shape[1:])
        groups = [segments] if self._in_one_call(synthetic) else [[segment] for segment in segments]
        total, gradients = self._matched(synthetic, groups[0])
        for group in groups[1:]:
            loss, more = self._matched(synthetic, group)
            total, gradients = total + loss, {name: gradients[name] + more[name] for name in gradients}
        return total / len(groups), {name: gradient / len(groups) for name, gradient in gradients.items()}

    def _in_one_call(self, synthetic: SyntheticDataset) -> bool:
        if self.network.has_random_layers:
            return False
        if self.inner.vmap is not None:
            return self.inner.vmap
        return should_vmap(synthetic.images, self.inner.batch_size or len(synthetic.images))

    def _matched(self, synthetic: SyntheticDataset, segments: Sequence[Segment]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss and gradients of segments whose students run in one call."""
        named = dict(synthetic.named_parameters())
        step = StudentStep(
            self.derivatives,
            self.augment,
            names=list(named),
            decode=synthetic.decoded,
            plans=[self._plan(synthetic, segment) for segment in segments],
            replayable=lambda number: self._replayable(_seed_path(segments[0]), number),
        )
        starts = torch.stack([segment.start for segment in segments])
        if not self.memory.is_resolved:
            self._resolve_memory(step, starts, list(named.values()))

        def loss(states: Sequence[Tensor]) -> Tensor:
            losses = [self.loss([state[i] for state in states], segment) for i, segment in enumerate(segments)]
            return torch.stack(losses).mean()

        value, gradients = self._unrolled(step, starts, list(named.values()), loss)
        return value, dict(zip(named, gradients, strict=True))

    def _unrolled(
        self, step: StudentStep, starts: Tensor, leaves: Sequence[Tensor], loss: Callable[[Sequence[Tensor]], Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """The loss and its gradient on the leaves; in smaller parts where memory runs out."""
        while True:
            step.images_at_once, chunk = self.memory.images_at_once, self.memory.chunk or 1
            try:
                return unrolled_gradient(step, starts, leaves, self.inner.steps, loss, chunk, self.truncated, step.vjp)
            except (RuntimeError, MemoryError) as error:
                lowered = None if self.truncated else self.memory.lowered(self.network.is_separable)
                if lowered is None or not is_out_of_memory(error):
                    raise
            self.memory = lowered  # outside of the handler, whose traceback holds the tensors
            warnings.warn(
                f"Memory ran out: from now on --chunk {lowered.chunk} --images_at_once {lowered.images_at_once}, with "
                "the same result to rounding. A smaller --memory_budget avoids the failed attempt.",
                stacklevel=2,
            )

    def _plan(self, synthetic: SyntheticDataset, segment: Segment) -> StudentPlan:
        generator = seeded_generator(self.seed, "student steps", *_seed_path(segment))
        labels = self._fixed_labels(synthetic, segment)
        return StudentPlan.random(
            synthetic, self.augment, self.inner.steps, self.inner.batch_size, generator, labels=labels
        )

    def _fixed_labels(self, synthetic: SyntheticDataset, segment: Segment) -> Tensor | None:
        """The students' targets where these are not learned: class numbers [n], or the expert's logits [n, classes]."""
        if self.teacher_labels:
            return self.network.predict(segment.target, synthetic.decoded().detach())
        return None if synthetic.soft else synthetic.labels

    def _replayable(self, path: Sequence[int], number: int) -> contextlib.AbstractContextManager[None]:
        """A block in which dropout drops the same units every time: a step is computed more than once."""
        if not self.network.has_random_layers:
            return contextlib.nullcontext()
        return temporary_global_seed(derived_seed(self.seed, "dropout", *path, number))

    def _resolve_memory(self, step: StudentStep, starts: Tensor, leaves: Sequence[Tensor]) -> None:
        fixed, per_image = step.graph_bytes(starts, leaves)
        images = len(step.plans[0].batches[0])
        self.memory = self.memory.resolved(
            self.inner.steps, images, fixed=fixed, per_image=per_image, separable=self.network.is_separable
        )


def _require_compilable(network: FlatNetwork, memory: UnrollMemory) -> None:
    if memory.chunk not in (None, 1):
        raise ValueError(f"Expected a chunk of 1 for compiled steps, got {memory.chunk}. Leave it out.")
    if network.has_random_layers:  # a compiled step and its derivative would drop different units
        raise ValueError(
            "Expected a network without dropout for compiled steps, got one with random layers. Leave compiled out."
        )


def _seed_path(segment: Segment) -> tuple[int, ...]:
    """The path that, with the seed, decides the batches and augmentations of a segment's student."""
    return (segment.iteration, segment.place) if segment.place else (segment.iteration,)


def _sum_over_students(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The sum of a student's loss over stacked parameters [S, P], images [S, n, ...] and targets."""

    def total(parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        if len(parameters) == 1:  # the layers' own derivatives are faster than mapped ones
            return loss(parameters.squeeze(0), images.squeeze(0), targets.squeeze(0))
        values: Tensor = torch.func.vmap(loss)(parameters, images, targets)
        return values.sum()

    return total
