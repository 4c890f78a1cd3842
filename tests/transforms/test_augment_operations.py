# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

ALL = ("color", "crop", "cutout", "flip", "scale", "rotate")
SHAPES = [(8, 8), (9, 6), (5, 6, 7)]


def images_of(shape: Sequence[int], count: int = 3, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, *shape, generator=seeded_generator(0, "images"), dtype=torch.float64)


def linear_read(image: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Linear interpolation of [C, *spatial] at one position, zero outside, corner by corner."""
    low = np.floor(position).astype(int)
    total = np.zeros(image.shape[0])
    for corner in np.ndindex(*(2,) * len(low)):
        index = low + corner
        weight = float(np.prod([1 - abs(p - i) for p, i in zip(position, index, strict=True)]))
        if all(0 <= i < side for i, side in zip(index, image.shape[1:], strict=True)):
            total += weight * image[(slice(None), *index)]
    return total


def read_by(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    center = (np.array(image.shape[1:]) - 1) / 2
    out = np.zeros_like(image)
    for index in np.ndindex(*image.shape[1:]):
        out[(slice(None), *index)] = linear_read(image, center + matrix @ (np.array(index) - center))
    return out


def rotation(angles: np.ndarray) -> np.ndarray:
    if len(angles) == 1:
        c, s = math.cos(angles[0]), math.sin(angles[0])
        return np.array([[c, -s], [s, c]])
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        matrix = matrix @ np.insert(np.insert(rotation(np.array([angle])), axis, 0, 0), axis, np.eye(3)[axis], 1)
    return matrix


def oracle(image: np.ndarray, operation: str, row: dict[str, np.ndarray]) -> np.ndarray:
    """One image, straight from the formulas."""
    sides = image.shape[1:]
    if operation == "color":
        image = image + row["brightness"]
        gray = image.mean(0)
        image = (image - gray) * row["saturation"] + gray
        return (image - image.mean()) * row["contrast"] + image.mean()
    if operation == "flip":
        return image[..., ::-1] if row["flipped"] else image
    if operation == "scale":
        return read_by(image, np.diag(row["factor"]))
    if operation == "rotate":
        return read_by(image, rotation(row["radians"]))
    out = np.zeros_like(image)
    for index in np.ndindex(*sides):
        if operation == "crop":
            source = np.array(index) + row["shift"]
            if all(0 <= i < side for i, side in zip(source, sides, strict=True)):
                out[(slice(None), *index)] = image[(slice(None), *source)]
        elif not all(a <= i < b for i, a, b in zip(index, row["low"], row["high"], strict=True)):
            out[(slice(None), *index)] = image[(slice(None), *index)]
    return out


@pytest.mark.parametrize("operation", ALL)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("siamese", [False, True])
def test_each_operation_equals_its_formula(operation: str, shape: tuple[int, ...], siamese: bool) -> None:
    augment, images = SiameseAugment((operation,), crop_fraction=0.4), images_of(shape)
    for seed in range(2):
        draw = augment.draw(3, shape, seeded_generator(seed), siamese=siamese)
        assert all(len(value) == (1 if siamese else 3) for value in draw.values.values())
        out = augment.apply(images, draw)
        for i in range(3):
            # the affine operations compute with float32 draws cast to float64, and so does the oracle
            row = {name: value[0 if siamese else i].double().numpy() for name, value in draw.values.items()}
            if operation in ("crop", "cutout"):
                row = {name: value.astype(int) for name, value in row.items()}
            np.testing.assert_allclose(out[i].numpy(), oracle(images[i].numpy(), operation, row), atol=1e-9)


@pytest.mark.parametrize("operation", ALL)
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 3)])
def test_gradient_with_respect_to_the_images(operation: str, shape: tuple[int, ...]) -> None:
    augment, images = SiameseAugment((operation,)), images_of(shape, count=2, channels=2).requires_grad_()
    draw = augment.draw(2, shape, seeded_generator(1))
    assert torch.autograd.gradcheck(lambda x: augment.apply(x, draw), (images,))
