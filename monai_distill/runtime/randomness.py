"""Seeds and generators derived from a seed and a path of names: every random choice can be repeated alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import torch

__all__ = ["derived_seed", "seeded_generator", "temporary_global_seed"]


def derived_seed(seed: int, *path: int | str) -> int:
    """A 63-bit seed that depends on ``seed`` and every element of ``path``, and on nothing else.

    Args:
        seed: the seed of the whole run.
        path: the purpose of the random numbers, such as ``("segment", iteration)``.

    Example:
        >>> derived_seed(0, "segment", 3) == derived_seed(0, "segment", 3) != derived_seed(0, "segment", 4)
        True
    """
    text = "/".join(repr(part) for part in (int(seed), *path))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def seeded_generator(seed: int, *path: int | str) -> torch.Generator:
    """A CPU generator seeded by :func:`derived_seed`; a resume needs no stored state of it.

    Example:
        >>> a, b = seeded_generator(7, "images"), seeded_generator(7, "images")
        >>> bool(torch.equal(torch.rand(3, generator=a), torch.rand(3, generator=b)))
        True
    """
    return torch.Generator().manual_seed(derived_seed(seed, *path))


@contextlib.contextmanager
def temporary_global_seed(seed: int) -> Iterator[None]:
    """Seed torch's global generators (CPU and CUDA) inside the block and restore their states after it.

    PyTorch's layer initializers and dropout take no generator; all code of this package seeds them through this block.

    Example:
        >>> before = torch.random.get_rng_state()
        >>> with temporary_global_seed(1):
        ...     layer = torch.nn.Linear(2, 2)
        >>> bool(torch.equal(before, torch.random.get_rng_state()))
        True
    """
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        if gpus:
            torch.cuda.manual_seed_all(seed)  # noqa: TID251 - fork_rng restores the states
        yield
