"""Is a released image more like an image that it was made from than like one that it was not?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

__all__ = ["copy_likeness"]


def copy_likeness(released: Tensor, images: Tensor, batch_size: int = 4096) -> tuple[Tensor, Tensor]:
    """Largest normalised cross-correlation of every released image with any of ``images``, and with which.

    Flips of every axis, and quarter turns of square planes, of the released image are tried too; the mean and the
    contrast do not count. No threshold is meant: the likeness to training images is to be held against that to
    images that were not used.

    Args:
        released: [m, channels, *spatial].
        images: [n, channels, *spatial], n of at least 1.
        batch_size: images per product.

    Returns:
        Correlations [m] between -1 and 1, and positions [m] in ``images``.

    Raises:
        ValueError: when there are no images, or of another shape.

    Example:
        >>> images = torch.arange(8.0).reshape(2, 1, 2, 2) ** 2
        >>> value, place = copy_likeness(images[1:].flip(3), images)
        >>> round(float(value), 3), int(place)
        (1.0, 1)
    """
    if not len(images) or released.shape[1:] != images.shape[1:]:
        raise ValueError(f"Expected images of the released shape {list(released.shape[1:])}, got {list(images.shape)}.")
    best = torch.full((len(released),), -2.0)
    place = torch.zeros(len(released), dtype=torch.long)
    for turned in _turns(released):
        ours = _normalised(turned)
        for start in range(0, len(images), batch_size):
            values, rows = (ours @ _normalised(images[start : start + batch_size]).T).max(dim=1)
            better = values > best
            best = torch.where(better, values, best)
            place = torch.where(better, rows + start, place)
    return best, place


def _normalised(images: Tensor) -> Tensor:
    flat = images.detach().cpu().float().flatten(1)
    return torch.nn.functional.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)


def _turns(images: Tensor) -> Iterator[Tensor]:
    """The images under every combination of flips, each also with the first two square axes swapped."""
    axes = range(2, images.ndim)
    swaps = [pair for pair in combinations(axes, 2) if images.shape[pair[0]] == images.shape[pair[1]]]
    for turned in [images, *(images.transpose(*pair) for pair in swaps)]:
        for count in range(len(axes) + 1):
            for flipped in combinations(axes, count):
                yield turned.flip(flipped)
