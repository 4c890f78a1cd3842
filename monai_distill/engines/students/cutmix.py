"""CutMix: a box of another image of the batch, and the share of its label."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["CutMixParameters", "drawn_cutmix"]


class CutMixParameters(NamedTuple):
    """Which image each image of a batch gets a box from, where the box lies, and its share of the pixels.

    Example:
        >>> mix = CutMixParameters(torch.tensor([1, 0]), (slice(0, 1), slice(0, 2)), 0.5)
        >>> mix.images(torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]))[0].tolist()
        [[[1.0, 1.0], [0.0, 0.0]]]
        >>> mix.targets(torch.eye(2))
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """

    partners: Tensor
    box: tuple[slice, ...]
    share: float

    def images(self, images: Tensor) -> Tensor:
        """The mixed images [B, C, *spatial]."""
        mixed = images.clone()
        place: tuple[Any, ...] = (..., *self.box)
        mixed[place] = images[self.partners.to(images.device)][place]
        return mixed

    def targets(self, targets: Tensor) -> Tensor:
        """The mixed probabilities [B, classes]."""
        return torch.lerp(targets, targets[self.partners.to(targets.device)], self.share)


def drawn_cutmix(
    count: int, shape: Sequence[int], probability: float, generator: torch.Generator
) -> CutMixParameters | None:
    """CutMix parameters for a batch, or None in the share of batches that stay as they are.

    References:
        Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, ICCV 2019,
        https://arxiv.org/abs/1905.04899, algorithm A1: the box's share is uniform before it is cut at the border.

    Args:
        count: images of the batch.
        shape: sides of an image in pixels.
        probability: of mixing a batch.
        generator: a CPU generator.

    Example:
        >>> drawn_cutmix(4, (8, 8), 0.0, torch.Generator()) is None
        True
    """
    applied, share, *centers = torch.rand(2 + len(shape), generator=generator).tolist()
    partners = torch.randperm(count, generator=generator)
    if applied >= probability:
        return None
    box, covered = [], 1.0
    for side, center in zip(shape, centers, strict=True):
        half = side * share ** (1 / len(shape)) / 2
        low, high = max(0, round(center * side - half)), min(side, round(center * side + half))
        box.append(slice(low, high))
        covered *= (high - low) / side
    return CutMixParameters(partners, tuple(box), covered)
