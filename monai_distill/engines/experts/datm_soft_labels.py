"""DATM's start: soft labels from the experts' predictions, and images that an expert classifies correctly."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.initial_images import refuse_small_classes
from monai_distill.data.trajectory_store import TrajectoryStore
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.image_blocks import Images

__all__ = ["correct_images", "expert_labels", "expert_logits", "mean_of_right_logits"]

BATCH = 256


def expert_logits(network: FlatNetwork, store: TrajectoryStore, images: Tensor) -> Tensor:
    """Logits [experts, n, classes] of every expert's last stored snapshot on images [n, channels, *spatial].

    Raises:
        ValueError: if an expert is not finished.
    """
    experts = range(store.shape[0])
    return torch.stack([_predicted(network, store.snapshot(e, -1, images.device), images) for e in experts])


def mean_of_right_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean logits over the experts that classify an image correctly.

    References:
        DATM: Guo et al., Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory Matching, ICLR 2024,
        https://arxiv.org/abs/2310.05773.

    Deviation: if no expert classifies an image correctly, the released program divides 0 by 0. Here the result is the
    mean over all experts with the true class's logit and the largest logit exchanged: as certain as the experts, but of
    the true class.

    Args:
        logits: [experts, n, classes].
        labels: class numbers [n].

    Returns:
        [n, classes], no logit of a row larger than that of its class, never NaN for finite logits.

    Example:
        >>> logits = torch.tensor([[[3.0, 1.0]], [[0.0, 2.0]]])
        >>> mean_of_right_logits(logits, torch.tensor([0])), mean_of_right_logits(logits[1:], torch.tensor([0]))
        (tensor([[3., 1.]]), tensor([[2., 0.]]))
    """
    right = (logits.argmax(dim=2) == labels).to(logits.dtype)[:, :, None]
    mean_of_right = (logits * right).sum(dim=0) / right.sum(dim=0).clamp_min(1)
    mean = logits.mean(dim=0)
    swapped = mean.scatter(1, mean.argmax(dim=1, keepdim=True), mean.gather(1, labels[:, None]))
    swapped = swapped.scatter(1, labels[:, None], mean.max(dim=1, keepdim=True).values)
    return torch.where(right.sum(dim=0) > 0, mean_of_right, swapped)


def expert_labels(network: FlatNetwork, store: TrajectoryStore, images: Tensor, labels: Tensor) -> Tensor:
    """Logits [n, classes] as start of learned labels (see :func:`mean_of_right_logits`).

    Args:
        network: the experts' architecture.
        store: finished experts, of which the last stored snapshots are used.
        images: [n, channels, *spatial] in the networks' input space.
        labels: class numbers [n].
    """
    return mean_of_right_logits(expert_logits(network, store, images), labels)


def correct_images(
    bank: ClassBank, images_per_class: int, generator: torch.Generator, *, network: FlatNetwork, store: TrajectoryStore
) -> tuple[Tensor, Tensor]:
    """Random training images of every class that an expert classifies correctly; as leaky as other real images.

    In every class, the first expert classifies images in random order until enough are correct. The next expert
    classifies the rest.

    References:
        DATM: Guo et al., Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory Matching, ICLR 2024,
        https://arxiv.org/abs/2310.05773.

    Deviation: if all experts together classify too few images of a class correctly, the class is filled with its images
    of the highest true-class probability, and a warning names it (the released program loops forever).

    Args:
        bank: the training images.
        images_per_class: number of images of every class.
        generator: a CPU generator.
        network: the experts' architecture.
        store: finished experts, of which the last stored snapshots are used.

    Returns:
        Images [classes * images_per_class, channels, *spatial] and labels, class after class.

    Raises:
        ValueError: if a class has fewer than ``images_per_class`` images.
    """
    refuse_small_classes(bank.counts, bank.class_names, images_per_class)
    experts = [store.snapshot(e, -1, bank.device) for e in range(store.shape[0])]
    chosen, short = [], []
    for label in range(bank.num_classes):
        order = bank.draw_indices(label, len(bank.indices[label]), generator)
        right = _first_right(network, experts, bank.images, order, label, images_per_class)
        if len(right) < images_per_class:
            short.append(f"{bank.class_names[label]} ({len(right)} of {images_per_class})")
            rest = order[~torch.isin(order, right)]
            certainty = _true_class_probability(network, experts, bank.images[rest], label)
            best = certainty.argsort(descending=True, stable=True)[: images_per_class - len(right)]
            right = torch.cat([right, rest[best]])
        chosen.append(right)
    if short:
        warnings.warn(
            f"The experts classify too few images correctly of: {', '.join(short)}. Images of the highest true-class "
            "probability fill the rest. Train the experts longer for better ones.",
            stacklevel=2,
        )
    positions = torch.cat(chosen)
    return bank.images[positions].clone(), bank.labels[positions].clone()


def _first_right(
    network: FlatNetwork, experts: list[Tensor], images: Images, order: Tensor, label: int, count: int
) -> Tensor:
    """The first ``count`` positions that an expert classifies correctly, or all of them if they are fewer."""
    correct, rest = order[:0], order
    for expert in experts:
        right = torch.zeros(len(rest), dtype=torch.bool, device=rest.device)
        for low, logits in _batched(network, expert, images, rest):
            right[low : low + len(logits)] = logits.argmax(dim=1) == label
            if len(correct) + int(right.sum()) >= count:
                break  # the remaining images are not needed
        correct, rest = torch.cat([correct, rest[right]])[:count], rest[~right]
        if len(correct) == count:
            break
    return correct


def _true_class_probability(network: FlatNetwork, experts: list[Tensor], images: Images, label: int) -> Tensor:
    return torch.stack([_predicted(network, e, images).softmax(dim=1)[:, label] for e in experts]).mean(dim=0)


def _predicted(network: FlatNetwork, parameters: Tensor, images: Images) -> Tensor:
    positions = torch.arange(len(images), device=images.device)
    return torch.cat([logits for _, logits in _batched(network, parameters, images, positions)])


def _batched(
    network: FlatNetwork, parameters: Tensor, images: Images, positions: Tensor
) -> Iterator[tuple[int, Tensor]]:
    for low in range(0, len(positions), BATCH):
        yield low, network.predict(parameters, images[positions[low : low + BATCH]])
