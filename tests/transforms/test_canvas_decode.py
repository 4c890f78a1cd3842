"""The decode of canvases, against torch's interpolation of every cell (section 4 of IDC: Kim et al., ICML 2022)."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import CanvasDecode
from monai_distill.transforms.canvas_decode import DecodedCanvases

MODES = {2: "bilinear", 3: "trilinear"}


def canvases(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=seeded_generator(0, "canvases"), dtype=torch.float64)


def decoded(images: Tensor, decode: CanvasDecode, labels: list[int] | None = None) -> Tensor:
    size = images.shape[2:]
    return DecodedCanvases(decode.cells(labels or [0] * len(images), len(size)), size).double()(images)


def interpolated(canvas: Tensor, factor: int) -> Tensor:
    """The oracle for sides that are multiples of the factor: cut, then enlarge every cell by itself."""
    sides = canvas.shape[1:]
    cells = []
    for place in itertools.product(range(factor), repeat=len(sides)):
        cut = [slice(at * side // factor, (at + 1) * side // factor) for at, side in zip(place, sides, strict=True)]
        cells.append(canvas[(slice(None), *cut)])
    return F.interpolate(torch.stack(cells), list(sides), mode=MODES[len(sides)], align_corners=False)


@pytest.mark.parametrize("size", [(8, 8), (4, 8), (8, 4, 12)])
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_every_cell_is_enlarged_by_linear_interpolation(size: tuple[int, ...], kind: str) -> None:
    images = canvases(2, 3, *size)
    factors = {"single": [2], "multi": [1, 2]}[kind]
    expected = torch.cat([torch.cat([interpolated(canvas, factor) for factor in factors]) for canvas in images])
    torch.testing.assert_close(decoded(images, CanvasDecode(2, kind)), expected, rtol=1e-6, atol=1e-6)


def test_cells_share_pixels_where_the_side_is_no_multiple_of_the_factor() -> None:
    images = canvases(1, 1, 28, 28)
    made = decoded(images, CanvasDecode(3))
    for image, (row, column) in zip(made, itertools.product((0, 9, 18), repeat=2), strict=True):
        cell = images[:, :, row : row + 10, column : column + 10]
        torch.testing.assert_close(
            image[None], F.interpolate(cell, (28, 28), mode="bilinear", align_corners=False), rtol=1e-6, atol=1e-6
        )


def test_bound_gives_a_class_as_many_images_as_it_may_have_and_every_canvas_one() -> None:
    decode = CanvasDecode(3, "bound", at_most=24)
    labels = [0, 1, 0, 1, 0, 0]
    cells = decode.cells(labels, 2)
    counts = torch.bincount(cells.canvas).tolist()
    assert counts == [9, 9, 9, 9, 4, 1]  # of class 0: 9 + 9 + 4 + 1 = 23 of 24
    assert torch.bincount(CanvasDecode(3, "bound", at_most=3).cells([0] * 5, 2).canvas).tolist() == [1] * 5


def test_chosen_images_are_those_of_all() -> None:
    images, decode = canvases(3, 1, 6, 6), CanvasDecode(2, "multi")
    reader = DecodedCanvases(decode.cells([0, 0, 1], 2), (6, 6)).double()
    numbers = torch.tensor([7, 0, 14, 3])
    torch.testing.assert_close(reader(images, numbers), reader(images)[numbers])


@pytest.mark.parametrize("decode", [CanvasDecode(2), CanvasDecode(3), CanvasDecode(3, "bound", at_most=13)])
def test_packed_images_come_back_where_they_have_no_detail(decode: CanvasDecode) -> None:
    """A constant image survives shrinking and enlarging; neighbors that share a pixel blend at their border."""
    labels = [0, 0]
    count = len(decode.cells(labels, 2).finest().canvas)
    images = torch.arange(1.0, count + 1, dtype=torch.float64)[:, None, None, None].expand(-1, 1, 12, 12)
    packed = decode.pack(images, labels)
    assert packed.shape == (2, 1, 12, 12)
    torch.testing.assert_close(decoded(packed, decode, labels), images.contiguous(), rtol=1e-6, atol=1e-6)


def test_a_shrunk_image_is_the_mean_of_its_pixels() -> None:
    images = canvases(4, 1, 4, 4)
    corner = CanvasDecode(2).pack(images, [0])[0, 0, :2, 2:]
    torch.testing.assert_close(corner, images[1, 0].reshape(2, 2, 2, 2).mean(dim=(1, 3)))


def test_wrong_numbers_are_refused_with_the_largest_factor() -> None:
    with pytest.raises(ValueError, match="at most 3"):
        CanvasDecode(4).pack(torch.zeros(16, 1, 7, 8), [0])
    with pytest.raises(ValueError, match="4 images"):
        CanvasDecode(2).pack(torch.zeros(3, 1, 8, 8), [0])
    with pytest.raises(ValueError, match="single, multi, bound"):
        CanvasDecode(2, "triple")
