"""Differentiable siamese augmentation (DSA), two invertible preprocessings, and the decode of stored canvases."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .canvas_decode import CanvasDecode, Cells, DecodedCanvases
from .siamese_augment import AugmentParameters, SiameseAugment
from .siamese_augment_dict import SiameseAugmentD, SiameseAugmentd, SiameseAugmentDict
from .standardize import Standardize
from .zca_whitening import ZCAWhitening

__all__ = [
    "AugmentParameters",
    "CanvasDecode",
    "Cells",
    "DecodedCanvases",
    "SiameseAugment",
    "SiameseAugmentD",
    "SiameseAugmentDict",
    "SiameseAugmentd",
    "Standardize",
    "ZCAWhitening",
]
