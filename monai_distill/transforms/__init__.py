"""Transforms of images: differentiable siamese augmentation (DSA) and two invertible preprocessings."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .siamese_augment import AugmentParameters, SiameseAugment
from .siamese_augment_dict import SiameseAugmentD, SiameseAugmentd, SiameseAugmentDict
from .standardize import Standardize
from .zca_whitening import ZCAWhitening

__all__ = [
    "AugmentParameters",
    "SiameseAugment",
    "SiameseAugmentD",
    "SiameseAugmentDict",
    "SiameseAugmentd",
    "Standardize",
    "ZCAWhitening",
]
