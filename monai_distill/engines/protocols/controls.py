"""Controls of the distilled set's size: functions of (images per class, trial) to images and targets."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.coresets import herding_subset, k_center_subset
from monai_distill.engines.students.teacher import Teacher
from monai_distill.runtime.randomness import seeded_generator

from .scorecard import Scorecard

__all__ = ["herding_control", "k_center_control", "short_training", "soft_label_control"]


def herding_control(images_per_class: int, trial: int, *, bank: ClassBank, teacher: Teacher) -> tuple[Tensor, Tensor]:
    """The herding subset, the same in every trial: see :func:`herding_subset`.

    Args:
        images_per_class: of the subset.
        trial: number of the student that trains on it.
        bank: the training images.
        teacher: gives the features.
    """
    return herding_subset(bank, images_per_class, teacher.features)


def k_center_control(
    images_per_class: int, trial: int, *, bank: ClassBank, teacher: Teacher, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """A k-center subset, another first image in every trial: see :func:`k_center_subset`.

    Args:
        images_per_class: of the subset.
        trial: number of the student that trains on it.
        bank: the training images.
        teacher: gives the features.
        seed: seed of the run.
    """
    return k_center_subset(bank, images_per_class, teacher.features, seeded_generator(seed, "k-center", trial))


def soft_label_control(
    images_per_class: int, trial: int, *, scorecard: Scorecard, teacher: Teacher
) -> tuple[Tensor, Tensor]:
    """Random real images with the teacher's soft labels: see :class:`Teacher`.

    Args:
        images_per_class: of the subset.
        trial: number of the student that trains on it.
        scorecard: draws the random images.
        teacher: gives the labels.
    """
    return teacher.soft_labels(*scorecard.random(images_per_class, trial))


def short_training(steps: int) -> int:
    """SGD steps of the briefly trained teacher: an eighth of the training on all data.

    Example:
        >>> short_training(500), short_training(3)
        (62, 1)
    """
    return max(steps // 8, 1)
