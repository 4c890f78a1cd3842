"""A real subset whose class means follow those of all images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .class_bank import ClassBank

__all__ = ["herding_subset"]


def herding_subset(
    bank: ClassBank, images_per_class: int, features: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Copies of the training images that bring every class's running mean of features closest to its mean, one by one.

    References:
        Welling, Herding Dynamical Weights to Learn, ICML 2009; per class as in Rebuffi et al., iCaRL, CVPR 2017.

    Deviations: features are not normalised, as in the distillation literature's own control; a class with fewer images
    than asked for gives them again in the same order.

    Args:
        bank: the training images.
        images_per_class: how many of every class.
        features: images [m, channels, *spatial] to features [m, F], of a network that knows training images only.

    Returns:
        Images [classes * images_per_class, channels, *spatial] and labels, class after class, the most typical first.

    Raises:
        ValueError: for no images per class, or a class without images.

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
    for own in bank.indices:
        values = features(bank.images[own]).double()
        order = _herded(values, min(images_per_class, len(own)))
        positions.append(own[order.repeat(-(-images_per_class // len(order)))[:images_per_class]])
    rows = torch.cat(positions)
    return bank.images[rows].clone(), bank.labels[rows].clone()


def _herded(values: Tensor, count: int) -> Tensor:
    mean, total = values.mean(dim=0), torch.zeros_like(values[0])
    free = torch.ones(len(values), dtype=torch.bool, device=values.device)
    chosen: list[int] = []
    for size in range(1, count + 1):
        gaps = ((total + values) / size - mean).norm(dim=1).masked_fill(~free, torch.inf)
        chosen.append(int(gaps.argmin()))
        free[chosen[-1]] = False
        total = total + values[chosen[-1]]
    return torch.tensor(chosen, device=values.device)
