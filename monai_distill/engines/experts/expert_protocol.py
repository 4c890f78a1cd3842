"""How an expert is trained: the settings that all experts of a run share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Callable

from torch import Tensor

from monai_distill.runtime.validation import require_in_interval, require_positive_int
from monai_distill.transforms.siamese_augment import SiameseAugment

__all__ = ["ExpertProtocol", "GradientFunction", "plain_direction"]

GradientFunction = Callable[[Tensor], Tensor]


def plain_direction(gradient: GradientFunction, parameters: Tensor) -> Tensor:
    """The descent direction of plain SGD: the gradient [P] itself.

    Example:
        >>> import torch
        >>> plain_direction(lambda p: 2 * p, torch.ones(2))
        tensor([2., 2.])
    """
    return gradient(parameters)


@dataclasses.dataclass(frozen=True)
class ExpertProtocol:
    """SGD without momentum, weight decay or schedule, over augmented batches.

    References:
        MTT: Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
        https://arxiv.org/abs/2203.11932 (plain SGD: a student cannot follow experts that move faster).
        FTD changes ``direction`` (:class:`FlatDirection`), PAD changes ``curriculum`` (:class:`Curriculum`).

    Deviation: an expert trains no longer than its segments require. The originals train for 50 or 100 epochs; the
    additional epochs change none of the earlier ones.

    Args:
        augment: augments every batch with new parameters.
        epochs: passes over the data.
        lr: learning rate.
        batch_size: images per SGD step.
        direction: function of (gradient function, parameters [P]) to the step's direction [P].
        curriculum: function of an epoch (from 0) to the positions [m] of the images seen in it; None for all images in
            every epoch.
        vmap: whether a group of experts runs in one call; by default whatever is faster on the device.
        compiled: run one expert after another through ``torch.compile`` (see
            :func:`~monai_distill.networks.gradients.parameter_gradient`).

    Raises:
        ValueError: if a count is below 1, or the learning rate is not above 0.

    Example:
        >>> ExpertProtocol(SiameseAugment(("flip",)), epochs=5).lr
        0.01
    """

    augment: SiameseAugment
    epochs: int
    lr: float = 0.01
    batch_size: int = 256
    direction: Callable[[GradientFunction, Tensor], Tensor] = plain_direction
    curriculum: Callable[[int], Tensor] | None = None
    vmap: bool | None = None
    compiled: bool | str = False

    def __post_init__(self) -> None:
        require_positive_int(epochs=self.epochs, batch_size=self.batch_size)
        require_in_interval("(0, inf)", lr=self.lr)
