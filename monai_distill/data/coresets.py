"""Real subsets chosen by their features: herding and greedy k-center."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .class_bank import ClassBank

__all__ = ["herding_subset", "k_center_subset"]


def k_center_subset(
    bank: ClassBank, images_per_class: int, features: Callable[[Tensor], Tensor], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A greedy k-center subset: each image is the one of its class that is farthest from those chosen before.

    References:
        Sener and Savarese, Active Learning for Convolutional Neural Networks: A Core-Set Approach, ICLR 2018, algorithm
        1 (greedy; at most twice the radius of the best choice).

    Deviations: every class is treated by itself and starts from a random image. A class with fewer than
    ``images_per_class`` images repeats them in the same order.

    Args:
        bank: the training images.
        images_per_class: images of every class.
        features: images [m, channels, *spatial] to features [m, F], by a network trained on training images only.
        generator: CPU generator for the first image of every class.

    Returns:
        Copies of images [classes * images_per_class, channels, *spatial] and their labels, class after class.

    Raises:
        ValueError: if ``images_per_class`` is below 1 or a class has no images.

    Example:
        >>> bank = ClassBank(torch.tensor([0.0, 1, 9]).reshape(3, 1, 1, 1), torch.tensor([0, 0, 0]), ["a"])
        >>> chosen, _ = k_center_subset(bank, 2, lambda x: x.flatten(1), torch.Generator().manual_seed(0))
        >>> 9.0 in chosen.flatten().tolist()
        True
    """
    if images_per_class < 1:
        raise ValueError(f"Expected images_per_class of at least 1, got {images_per_class}.")
    positions = []
    for label, members in enumerate(bank.indices):
        first = int(torch.nonzero(members == bank.draw_indices(label, 1, generator)))
        order = _farthest_first(features(bank.images[members]).double(), first, min(images_per_class, len(members)))
        positions.append(members[order.repeat(-(-images_per_class // len(order)))[:images_per_class]])
    rows = torch.cat(positions)
    return bank.images[rows].clone(), bank.labels[rows].clone()


def _farthest_first(values: Tensor, first: int, count: int) -> Tensor:
    chosen = [first]
    nearest = (values - values[first]).norm(dim=1)
    nearest[first] = -1.0  # chosen once only, even where images are equal
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (values - values[chosen[-1]]).norm(dim=1))
        nearest[chosen[-1]] = -1.0
    return torch.tensor(chosen, device=values.device)


def herding_subset(
    bank: ClassBank, images_per_class: int, features: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """A herding subset: each image brings the mean feature of its class's chosen images closest to the class mean.

    References:
        Welling, Herding Dynamical Weights to Learn, ICML 2009; per class as in Rebuffi et al., iCaRL, CVPR 2017.

    Deviations: features are not normalized, as in the herding control of the distillation literature. A class with
    fewer than ``images_per_class`` images repeats them in the same order.

    Args:
        bank: the training images.
        images_per_class: images of every class.
        features: images [m, channels, *spatial] to features [m, F], by a network trained on training images only.

    Returns:
        Copies of images [classes * images_per_class, channels, *spatial] and their labels, class after class; within a
        class the most typical image is first.

    Raises:
        ValueError: if ``images_per_class`` is below 1 or a class has no images.

    Example:
        >>> bank = ClassBank(torch.tensor([0.0, 3, 4, 9]).reshape(4, 1, 1, 1), torch.tensor([0, 0, 0, 0]), ["a"])
        >>> herding_subset(bank, 2, lambda x: x.flatten(1))[0].flatten()  # the mean is 4
        tensor([4., 3.])
    """
    if images_per_class < 1 or not all(bank.counts):
        raise ValueError(
            f"Expected images_per_class of at least 1 and images of every class, got {images_per_class} and "
            f"{list(bank.counts)}."
        )
    positions = []
    for members in bank.indices:
        values = features(bank.images[members]).double()
        order = _herding_order(values, min(images_per_class, len(members)))
        positions.append(members[order.repeat(-(-images_per_class // len(order)))[:images_per_class]])
    rows = torch.cat(positions)
    return bank.images[rows].clone(), bank.labels[rows].clone()


def _herding_order(values: Tensor, count: int) -> Tensor:
    mean, total = values.mean(dim=0), torch.zeros_like(values[0])
    free = torch.ones(len(values), dtype=torch.bool, device=values.device)
    chosen: list[int] = []
    for size in range(1, count + 1):
        gaps = ((total + values) / size - mean).norm(dim=1).masked_fill(~free, torch.inf)
        chosen.append(int(gaps.argmin()))
        free[chosen[-1]] = False
        total = total + values[chosen[-1]]
    return torch.tensor(chosen, device=values.device)
