"""Map a function over a stack of networks."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.randomness import temporary_global_seed

__all__ = ["map_over_networks", "should_vmap"]


def map_over_networks(
    function: Callable[..., Tensor], vmap: bool, seeds: Sequence[int] | None = None
) -> Callable[..., Tensor]:
    """``function`` mapped over the first dimension of every argument, the results stacked.

    Args:
        function: takes one network's share of every argument.
        vmap: whether all networks run in one call (``torch.func.vmap``). This is faster on a GPU, and on a CPU for tiny
            batches, where launching takes most of the time. For larger batches on a CPU, one network after another is
            two to three times as fast.
        seeds: one per network, for a function that uses the global random generators (dropout). Each call gets its own
            seed, so that no network's result depends on the others. Such a function runs one network after another.

    Example:
        >>> double = map_over_networks(lambda p: 2 * p, vmap=True)
        >>> double(torch.ones(2, 1)).tolist()
        [[2.0], [2.0]]
    """
    if seeds is not None:
        return lambda *arguments: torch.stack(
            [_seeded(function, seed, row) for seed, row in zip(seeds, zip(*arguments, strict=True), strict=True)]
        )
    if vmap:
        mapped: Callable[..., Tensor] = torch.func.vmap(function)
        return mapped
    return lambda *arguments: torch.stack([function(*row) for row in zip(*arguments, strict=True)])


def _seeded(function: Callable[..., Tensor], seed: int, row: Sequence[Tensor]) -> Tensor:
    with temporary_global_seed(seed):
        return function(*row)


def should_vmap(images: Images, batch_size: int) -> bool:
    """Whether several networks run faster under ``vmap``, on batches of images like ``images`` [n, C, *spatial].

    On a GPU the answer is yes. On a CPU it depends on the pixels of a batch, whatever the number of channels.

    Measured with ConvNets of width 32 on a CPU core. A training step of five, against plain autograd (see
    :func:`parameter_gradient`): ``vmap`` is 1.3 times as fast at 2 images of 1x28x28, 1.1 times at 4, equal from 10
    on, and 4 times slower at 80 of 3x28x28. Four student steps and their second derivative: it is 1.8 times as fast at
    10 images of 1x8x8, 1.5 times at 2 of 1x28x28, 1.3 times at 2 of 3x32x32, 1.2 times at 4 of 1x28x28, and 1.2 times
    slower at 10.

    Example:
        >>> should_vmap(torch.zeros(10, 1, 8, 8), 256), should_vmap(torch.zeros(90, 3, 28, 28), 256)
        (True, False)
    """
    return images.device.type != "cpu" or min(batch_size, len(images)) * images.shape[2:].numel() <= 4_000
