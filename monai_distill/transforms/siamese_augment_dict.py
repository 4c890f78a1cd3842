"""DSA's differentiable siamese augmentation as a MONAI dictionary transform."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms.transform import MapTransform, Randomizable

from .siamese_augment import SiameseAugment

__all__ = ["SiameseAugmentD", "SiameseAugmentDict", "SiameseAugmentd"]


class SiameseAugmentd(MapTransform, Randomizable):  # type: ignore[misc]
    """Dictionary form of :class:`SiameseAugment`: all keys of one item are augmented with the same parameters.

    References:
        DSA: Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation, ICML 2021,
        https://arxiv.org/abs/2102.08259.

    Deviations: those of :class:`SiameseAugment`. The images of one item must have the same number of spatial axes; a
    whole-pixel shift or box is drawn for the sides of the first key.

    Args:
        keys: keys of the images [C, *spatial].
        operations: see :class:`SiameseAugment`.
        allow_missing_keys: whether absent keys are skipped instead of raising an error.
        settings: the numbers of :class:`SiameseAugment`, by name.

    Raises:
        TypeError: if ``operations`` is one string.
        ValueError: for an unknown operation or a number out of range.

    Example:
        >>> import torch
        >>> augment = SiameseAugmentd(["image", "other"], ("rotate",)).set_random_state(0)
        >>> item = augment({"image": torch.ones(1, 8, 8), "other": torch.ones(1, 8, 8)})
        >>> bool(torch.equal(item["image"], item["other"]))
        True
    """

    backend = SiameseAugment.backend

    def __init__(
        self,
        keys: KeysCollection,
        operations: Sequence[str] = ("color", "crop", "cutout", "flip", "scale", "rotate"),
        *,
        allow_missing_keys: bool = False,
        **settings: float,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.augment = SiameseAugment(operations, **settings)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> SiameseAugmentd:
        """Set the random state, which the wrapped transform shares."""
        super().set_random_state(seed, state)
        self.augment.set_random_state(state=self.R)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Augment the images under the keys with the same parameters; other entries do not change."""
        item = dict(data)
        keys = list(self.key_iterator(item))
        if not keys:
            return item
        parameters = self.augment.draw(1, item[keys[0]].shape[1:], self.augment.next_generator())
        for key in keys:
            item[key] = self.augment.augmented(item[key], parameters)
        return item


SiameseAugmentD = SiameseAugmentDict = SiameseAugmentd
