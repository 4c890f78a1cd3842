"""How long experts train, where they are stored and which images they see: settings as configurations give them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.trajectory_store import TrajectoryStore
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.result_cache import job_path

from .balanced_epochs import BalancedEpochs
from .datm_soft_labels import expert_labels
from .pad_curriculum import Curriculum
from .pad_difficulty import Score, error_length, gradient_length

__all__ = [
    "curriculum_by_difficulty",
    "difficulty_measure",
    "epochs_needed",
    "expert_folder",
    "expert_recipe",
    "images_by_epoch",
    "labels_by_experts",
    "start_labels",
    "steps_of_epochs",
]

Epochs = Callable[[int], Tensor]
MEASURES: dict[str, Score] = {"GraNd": gradient_length, "EL2N": error_length}


def epochs_needed(max_start_epoch: int, expert_epochs: int, at_least: int = 0) -> int:
    """Epochs of an expert that the latest trajectory segment needs.

    Args:
        max_start_epoch: exclusive upper bound of a segment's first epoch.
        expert_epochs: length of a segment.
        at_least: a lower bound, where labels are learned from the end of the training.

    Example:
        >>> epochs_needed(max_start_epoch=6, expert_epochs=3), epochs_needed(6, 3, at_least=100)
        (8, 100)
    """
    return max(at_least, max_start_epoch + expert_epochs - 1)


def expert_folder(
    root: str | Path | None, own: str | Path, job: Mapping[str, Any], shape: Sequence[int], straight: bool = False
) -> str | Path:
    """The folder of the trajectories: below ``root`` one that all runs with the same experts share, else ``own``.

    Args:
        root: a folder that runs share; None for no sharing.
        own: the run's own folder.
        job: what decides the experts, as plain JSON values.
        shape: experts, epochs and parameters.
        straight: whether only start and end of the experts are stored.

    Example:
        >>> expert_folder(None, "run/experts", {"seed": 0}, [2, 8, 100])
        'run/experts'
    """
    return (
        own
        if root is None
        else job_path(root, {"shape": list(shape), **job, **({"straight": True} if straight else {})})
    )


def expert_recipe(recipe: Mapping[str, Any], balanced: bool, amp: bool = False) -> dict[str, Any]:
    """The settings that distinguish experts from plain ones, for their job.

    Example:
        >>> expert_recipe({"direction": "flat"}, balanced=True)
        {'direction': 'flat', 'balanced': True}
    """
    return {**recipe, **({"balanced": True} if balanced else {}), **({"amp": True} if amp else {})}


def images_by_epoch(
    bank: ClassBank, curriculum: Epochs | None = None, *, balanced: bool = False, seed: int = 0
) -> Epochs | None:
    """The images that an expert sees by epoch; None for all of them in every epoch.

    Args:
        bank: the training images.
        curriculum: maps an epoch to positions of images; None for no curriculum.
        balanced: whether every class is seen equally often (:class:`BalancedEpochs`).
        seed: seed of the run.

    Example:
        >>> import torch
        >>> bank = ClassBank(torch.rand(3, 1, 2, 2), torch.tensor([0, 0, 1]), ["a", "b"])
        >>> images_by_epoch(bank) is None, len(images_by_epoch(bank, balanced=True)(0))
        (True, 4)
    """
    return BalancedEpochs(bank.labels, seed=seed, within=curriculum) if balanced else curriculum


def steps_of_epochs(bank: ClassBank, epochs: int, batch_size: int) -> int:
    """SGD steps of ``epochs`` epochs; the last batch of an epoch may be smaller.

    Example:
        >>> import torch
        >>> bank = ClassBank(torch.rand(3, 1, 2, 2), torch.tensor([0, 0, 1]), ["a", "b"])
        >>> steps_of_epochs(bank, epochs=10, batch_size=2)
        20
    """
    return epochs * -(-len(bank) // batch_size)


def difficulty_measure(name: str) -> Score:
    """The score of an image's difficulty by its name in the literature.

    Raises:
        ValueError: for another name than GraNd and EL2N.

    Example:
        >>> difficulty_measure("EL2N").__name__
        'error_length'
    """
    if name not in MEASURES:
        raise ValueError(f"Expected a difficulty_score of {', '.join(MEASURES)}, got {name!r}.")
    return MEASURES[name]


def curriculum_by_difficulty(
    difficulty: Callable[[], Tensor], bank: ClassBank, schedule: Mapping[str, Any]
) -> Curriculum:
    """A :class:`Curriculum` over the images of ``bank``.

    Args:
        difficulty: one number per image [n]; called when the first epoch is needed.
        bank: the training images.
        schedule: the arguments of :class:`Curriculum` by name.

    Raises:
        TypeError: for a schedule with other names.
        ValueError: for an impossible schedule.
    """
    return Curriculum(difficulty, bank.labels, **schedule)


def start_labels(network: FlatNetwork, store: TrajectoryStore, start: tuple[Tensor, Tensor]) -> Tensor:
    """Logits [n, classes] of the initial images: see :func:`expert_labels`.

    Args:
        network: the experts' architecture.
        store: finished experts.
        start: images [n, channels, *spatial] and class numbers [n].
    """
    return expert_labels(network, store, *start)


def labels_by_experts(network: FlatNetwork, store: TrajectoryStore) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of images and class numbers to the experts' logits: see :func:`expert_labels`."""
    return lambda images, labels: expert_labels(network, store, images, labels)
