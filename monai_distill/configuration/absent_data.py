"""A bundle without its data: what stands for them until they are there, and the refusal to run on that."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from monai_distill.runtime.randomness import seeded_generator

__all__ = ["AbsentData", "placeholder_items", "refuse_placeholders", "require_data"]


class AbsentData(Sequence[Any]):
    """Stands for data that could not be read: it has no item, and :func:`require_data` raises the ``error``.

    Args:
        error: what the reading said.

    Example:
        >>> len(AbsentData(ValueError("Expected a folder")))
        0
    """

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(f"The data could not be read: {self.error}")


def require_data(data: Any) -> None:
    """Refuse to go on without data: the first step of a bundle's inference.

    Raises:
        ValueError, RuntimeError: what the reading of the data said.

    Example:
        >>> require_data([1])
    """
    if isinstance(data, AbsentData):
        raise data.error


def placeholder_items(shape: Sequence[int], classes: int, images_per_class: int, factor: int, seed: int) -> list[Any]:
    """Noise in the place of data, so that the parts of a bundle can be built and checked where the data are not.

    Args:
        shape: of an image, [C, *spatial].
        classes: number of classes.
        images_per_class: of the set; every class has enough images for a start from real ones.
        factor: images along each side of a canvas.
        seed: another one for every section, because equal images are dropped.

    Returns:
        Items ``image``, uniform in [0, 1], and ``label``.

    Example:
        >>> len(placeholder_items([1, 4, 4], classes=2, images_per_class=1, factor=2, seed=0))
        32
    """
    generator = seeded_generator(seed, "placeholder")
    each = 2 * images_per_class * factor**3
    return [{"image": torch.rand(*shape, generator=generator), "label": i % classes} for i in range(each * classes)]


def refuse_placeholders() -> None:
    """The only step of a configuration whose data are :func:`placeholder_items`.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(
        "Expected data, got noise: configs/no_data.json stands in for the data only to check a bundle where they are "
        "not. Leave it out of the configuration files, and give the data with --dataset_dir."
    )
