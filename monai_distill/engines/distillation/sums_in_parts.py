"""Class sums of features, and their gradient on the images, in parts that fit a memory budget."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from monai_distill.losses.class_sums import ClassSums
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.micro_batches import MicroBatches

__all__ = ["Sums", "gradient_in_parts", "sums_in_parts"]

Sums: TypeAlias = Callable[[Tensor, Tensor], Sequence[ClassSums]]


def sums_in_parts(
    sums: Sums, images: Images, labels: Tensor, memory: MicroBatches, most: int | None, at_once: bool = False
) -> list[ClassSums]:
    """The class sums of all images, without a graph.

    Args:
        sums: function of images [m, C, *spatial] and labels [m] to the sums of every kind of features.
        images: [n, C, *spatial]; a part is read when it is needed.
        labels: [n].
        memory: splits the images.
        most: images of a part at most; None for all.
        at_once: whether the images must stay together (batch norm, dropout).

    Example:
        >>> from monai_distill.losses.class_sums import class_sums
        >>> images, labels = torch.ones(4, 1, 1, 1), torch.tensor([0, 1, 1, 1])
        >>> sums_in_parts(lambda x, y: [class_sums(x.flatten(1), y, 2)], images, labels, MicroBatches(), 3)[0].counts
        tensor([1., 3.])
    """
    with torch.no_grad():
        parts = memory.over(len(images), most, lambda rows: sums(images[rows], labels[rows]), at_once)
        total = list(next(parts))
        for part in parts:
            total = [before.plus(more) for before, more in zip(total, part, strict=True)]
    return total


def gradient_in_parts(
    sums: Sums,
    loss: Callable[[Sequence[ClassSums]], Tensor],
    images: Tensor,
    labels: Tensor,
    memory: MicroBatches,
    most: int | None,
    at_once: bool = False,
) -> tuple[Tensor, Tensor]:
    """A loss of class sums, and its gradient [n, C, *spatial] on the images.

    Where not all images fit, the sums are computed without a graph first. The loss gives the cotangents of the sums,
    and every part of the images is differentiated along them: one more forward pass, and the same gradient to rounding.

    Args:
        sums: as of :func:`sums_in_parts`.
        loss: function of the sums to a scalar.
        images: [n, C, *spatial]; no gradient passes on.
        labels: [n].
        memory: splits the images.
        most: images of a part at most; None for all.
        at_once: whether the images must stay together (batch norm, dropout).

    Example:
        >>> from monai_distill.losses.class_sums import class_sums
        >>> images, labels = torch.ones(2, 1, 1, 1), torch.tensor([0, 0])
        >>> sums = lambda x, y: [class_sums(x.flatten(1), y, 1)]
        >>> value, gradient = gradient_in_parts(sums, lambda s: s[0].sums.sum() ** 2, images, labels, MicroBatches(), 1)
        >>> float(value), gradient.flatten().tolist()
        (4.0, [4.0, 4.0])
    """

    def whole() -> tuple[Tensor, Tensor]:
        leaf = images.detach().requires_grad_()
        value = loss(sums(leaf, labels))
        return value.detach(), torch.autograd.grad(value, leaf)[0]

    def parts() -> tuple[Tensor, Tensor]:
        totals = sums_in_parts(sums, images.detach(), labels, memory, most)
        leaves = [total.sums.requires_grad_() for total in totals]
        value = loss([ClassSums(leaf, total.counts) for leaf, total in zip(leaves, totals, strict=True)])
        cotangents = torch.autograd.grad(value, leaves, materialize_grads=True)

        def along(rows: slice) -> Any:
            leaf = images[rows].detach().requires_grad_()
            pairs = zip(sums(leaf, labels[rows]), cotangents, strict=True)
            learned = [
                (part.sums, cotangent) for part, cotangent in pairs if part.sums.requires_grad
            ]  # not predictions
            return torch.autograd.grad([s for s, _ in learned], leaf, [cotangent for _, cotangent in learned])[0]

        return value.detach(), torch.cat(list(memory.over(len(images), most, along)))

    return whole() if at_once else memory.whole_or_parts(len(images), most, whole, parts)
