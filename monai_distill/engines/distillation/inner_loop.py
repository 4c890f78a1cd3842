"""Settings of the student's training inside an iteration, and of the memory that its derivative may take."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

from monai_distill.runtime.validation import require_in_interval, require_positive_int

__all__ = ["InnerLoop", "UnrollMemory"]


@dataclasses.dataclass(frozen=True)
class InnerLoop:
    """How a student is trained on the synthetic set inside one iteration of trajectory matching.

    Args:
        steps: SGD steps of the student (N).
        batch_size: synthetic images per step; None for all. Every round over the set is shuffled and cut into batches,
            of which the last may be smaller.
        temperature: of the softmax in the students' loss (see
            :func:`~monai_distill.losses.soft_cross_entropy.classification_loss`).
        vmap: whether the students of several segments run in one call; by default where that is faster (see
            :func:`~monai_distill.networks.map_over_networks.should_vmap`). Networks with dropout run one after another.
        compiled: run the steps through ``torch.compile`` (see
            :class:`~monai_distill.networks.loss_derivatives.LossDerivatives`).

    Raises:
        ValueError: if ``steps`` or ``batch_size`` is below 1, or the temperature is not above 0.

    Example:
        >>> InnerLoop(20, batch_size=100).steps
        20
    """

    steps: int
    batch_size: int | None = None
    temperature: float = 1.0
    vmap: bool | None = None
    compiled: bool | str = False

    def __post_init__(self) -> None:
        require_positive_int(steps=self.steps)
        if self.batch_size is not None:
            require_positive_int(batch_size=self.batch_size)
        require_in_interval("(0, inf)", temperature=self.temperature)


@dataclasses.dataclass(frozen=True)
class UnrollMemory:
    """How much of the student's graph is held at once; the gradient is the same to rounding.

    Args:
        chunk: student steps whose graph is held; None for as many as ``budget`` allows.
        images_at_once: images of a step whose graph is held where ``chunk`` is 1; None for as many as ``budget``
            allows. Networks that mix the images of a batch (batch norm, dropout) hold all.
        budget: MiB for the graph of all students that run in one call. Both choices depend on this value and on the
            number of students alone, so that a resumed run makes the same ones.

    Raises:
        ValueError: if ``chunk`` or ``images_at_once`` is below 1, or the budget is not above 0.

    Example:
        >>> UnrollMemory(budget=1.0).resolved(20, 100, fixed=0, per_image=2**18, separable=True)
        UnrollMemory(chunk=1, images_at_once=4, budget=1.0)
    """

    chunk: int | None = None
    images_at_once: int | None = None
    budget: float = 512.0

    def __post_init__(self) -> None:
        sizes = {"chunk": self.chunk, "images_at_once": self.images_at_once}
        require_positive_int(**{name: size for name, size in sizes.items() if size is not None})
        require_in_interval("(0, inf)", budget=self.budget)

    @property
    def is_resolved(self) -> bool:
        """Whether both sizes are numbers."""
        return self.chunk is not None and self.images_at_once is not None

    def resolved(self, steps: int, images: int, *, fixed: int, per_image: int, separable: bool) -> UnrollMemory:
        """The same settings with both sizes chosen: as many steps as the budget allows, else one step in parts.

        Args:
            steps: steps of the student.
            images: images per step.
            fixed: bytes of a step's graph that do not depend on its images.
            per_image: bytes for every image.
            separable: whether the gradient of a batch is the sum of its images' gradients.
        """
        chunk, at_once, budget = self.chunk, self.images_at_once, self.budget * 2**20
        if chunk is None:
            chunk = max(1, min(steps, int(budget / (fixed + images * per_image))))
        if at_once is None:
            most = max(1, min(images, int((budget - fixed) / per_image))) if separable else images
            at_once = -(-images // -(-images // most))  # parts of equal size where possible
        return dataclasses.replace(self, chunk=chunk, images_at_once=at_once)

    def lowered(self, separable: bool) -> UnrollMemory | None:
        """Settings that need less memory: half the steps, from one step on half its images; None where nothing is left.

        Args:
            separable: whether the gradient of a batch is the sum of its images' gradients.

        Example:
            >>> memory = UnrollMemory(chunk=2, images_at_once=4)
            >>> memory.lowered(True), memory.lowered(True).lowered(False)
            (UnrollMemory(chunk=1, images_at_once=4, budget=512.0), None)
        """
        if (self.chunk or 1) > 1:
            return dataclasses.replace(self, chunk=(self.chunk or 1) // 2)
        if separable and (self.images_at_once or 1) > 1:
            return dataclasses.replace(self, images_at_once=(self.images_at_once or 1) // 2)
        return None
