"""Differentiable siamese augmentation (DSA), two invertible preprocessings, and the decode of stored canvases."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .canvas_decode import CanvasDecode
from .siamese_augment import SiameseAugment
from .siamese_augment_dict import SiameseAugmentd
from .standardize import Standardize
from .zca_whitening import ZCAWhitening

__all__ = [
    "CanvasDecode",
    "SiameseAugment",
    "SiameseAugmentd",
    "Standardize",
    "ZCAWhitening",
]
