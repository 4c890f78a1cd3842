"""The objective of the trajectory family: a student trained on the synthetic set should end where the expert went."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_distill.data import Segment, SyntheticDataset
from monai_distill.losses import TrajectoryMatchingLoss
from monai_distill.networks import FlatNetwork
from monai_distill.randomness import derived_seed, global_seed_kept, seeded_generator
from monai_distill.transforms import AugmentDraw, SiameseAugment

from .graph_size import graph_bytes
from .student_training import classification_loss
from .unroll import unrolled_gradient

__all__ = ["TrajectoryMatching"]


class TrajectoryMatching:
    """Unroll N student steps from a segment's start and return loss and exact gradients of the synthetic parameters.

    References:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022, algorithm 1.

    Deviations: the same gradient at a memory that need not grow with N (see :func:`unrolled_gradient`); augmentation is
    drawn from the run's seed, the iteration number and the segment's place in it, never from a global state.

    Args:
        network: the student's architecture, the same as the experts'.
        augment: one operation per student step, drawn from the seed.
        student_steps: SGD steps of the student (N).
        batch_size: synthetic images per step; None for all. Rounds are shuffled and cut, the last batch of a round may
            be smaller.
        chunk: student steps whose graph is held at once; None for as many as ``memory_budget`` allows.
        memory_budget: MiB for the graph of one chunk; the choice depends on nothing else, so that a resumed run makes
            it again.
        loss: function of (states, segment) to a scalar.
        truncated: the truncated gradient of Cui et al. 2023 instead of the exact one, for comparison.
        teacher_labels: the students learn what the segment's target predicts of the synthetic images, anew in every
            iteration (Cui et al. 2023); the set's own labels get no gradient then.
        temperature: of the softmax in the students' loss (see :func:`classification_loss`).
        seed: seed of the run.

    Raises:
        ValueError: for no steps, an empty batch or a temperature that is not above 0.

    Example:
        >>> from monai_distill.networks import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> match = TrajectoryMatching(network, SiameseAugment(()), student_steps=2)
        >>> data = SyntheticDataset(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, Segment(0, 0, 0, network.initial(0), network.initial(1)))
        >>> sorted(gradients)
        ['images', 'step_size']
    """

    def __init__(
        self,
        network: FlatNetwork,
        augment: SiameseAugment,
        *,
        student_steps: int,
        batch_size: int | None = None,
        chunk: int | None = None,
        memory_budget: float = 2048.0,
        loss: Callable[[Sequence[Tensor], Segment], Tensor] | None = None,
        truncated: bool = False,
        teacher_labels: bool = False,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> None:
        if student_steps < 1 or (batch_size is not None and batch_size < 1):
            raise ValueError(
                f"Expected at least 1 student step and 1 image per batch, got {student_steps}, {batch_size}."
            )
        if not temperature > 0:
            raise ValueError(f"Expected a temperature above 0, got {temperature}.")
        self.network = network
        self.augment = augment
        self.student_steps = student_steps
        self.batch_size = batch_size
        self.chunk = chunk
        self.memory_budget = memory_budget
        self.loss = TrajectoryMatchingLoss() if loss is None else loss
        self.truncated = truncated
        self.teacher_labels = teacher_labels
        self.temperature = temperature
        self.seed = seed

    def __call__(self, synthetic: SyntheticDataset, batch: Segment) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar) and a gradient for every parameter of ``synthetic``, by name."""
        path = (batch.iteration, batch.place) if batch.place else (batch.iteration,)
        batches, draws = self._planned(synthetic, path)
        named = dict(synthetic.named_parameters())
        fixed = self._fixed_labels(synthetic, batch)

        def step(state: Tensor, leaves: Sequence[Tensor], number: int) -> Tensor:
            values = dict(zip(named, leaves, strict=True))
            rows = batches[number]
            images = self.augment.apply(values["images"][rows], draws[number])
            targets = (values["label_logits"] if fixed is None else fixed)[rows]
            with self._replayable(path, number):
                return state - values["step_size"] * self._gradient(state, images, targets)

        if self.chunk is None:
            self.chunk = self._affordable(lambda leaves: step(batch.start, leaves, 0), list(named.values()))
        value, gradients = unrolled_gradient(
            step,
            batch.start,
            list(named.values()),
            self.student_steps,
            lambda states: self.loss(states, batch),
            self.chunk,
            self.truncated,
        )
        return value, dict(zip(named, gradients, strict=True))

    def _fixed_labels(self, synthetic: SyntheticDataset, batch: Segment) -> Tensor | None:
        """The students' targets where these are not learned: class numbers [n], or the expert's logits [n, classes]."""
        if self.teacher_labels:
            return self.network.predict(batch.target, synthetic.images.detach())
        return None if synthetic.soft else synthetic.labels

    def _replayable(self, path: Sequence[int], number: int) -> contextlib.AbstractContextManager[None]:
        """A step is computed more than once; dropout must drop the same every time."""
        if not self.network.draws:
            return contextlib.nullcontext()
        return global_seed_kept(derived_seed(self.seed, "dropout", *path, number))

    def _gradient(self, state: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        graph = torch.is_grad_enabled() and (images.requires_grad or state.requires_grad or targets.requires_grad)
        with torch.enable_grad():
            vector = state if state.requires_grad else state.detach().requires_grad_()
            loss = classification_loss(self.network(vector, images), targets, self.temperature)
            return torch.autograd.grad(loss, vector, create_graph=graph)[0]

    def _affordable(self, step: Callable[[Sequence[Tensor]], Tensor], leaves: Sequence[Tensor]) -> int:
        copies = [leaf.detach().requires_grad_() for leaf in leaves]
        steps = self.memory_budget * 2**20 / max(graph_bytes(lambda: step(copies)), 1)
        return max(1, min(self.student_steps, int(steps)))

    def _planned(self, synthetic: SyntheticDataset, path: Sequence[int]) -> tuple[list[Tensor], list[AugmentDraw]]:
        """Which images every step sees and how they are augmented, drawn before anything is computed."""
        generator = seeded_generator(self.seed, "student steps", *path)
        count, device = len(synthetic), synthetic.images.device
        size = count if self.batch_size is None else min(self.batch_size, count)
        batches: list[Tensor] = []
        while len(batches) < self.student_steps:
            batches += torch.split(torch.randperm(count, generator=generator), size)
        batches = [rows.to(device) for rows in batches[: self.student_steps]]
        shape = synthetic.images.shape[2:]
        draws = [self.augment.draw(len(rows), shape, generator).to(device) for rows in batches]
        return batches, draws
