"""The six operations of differentiable siamese augmentation (DSA), pure functions that are affine in the images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["OPERATIONS"]

Values = Mapping[str, Tensor]


def _per_image(value: Tensor, images: Tensor) -> Tensor:
    """[n] to [n, 1, 1, ...] in the dtype of the images, to broadcast over channels and pixels."""
    return value.to(images.dtype).reshape(-1, *(1,) * (images.ndim - 1))


def _color(images: Tensor, values: Values) -> Tensor:
    images = images + _per_image(values["brightness"], images)
    if images.shape[1] > 1:  # on one channel the image is its own mean, and saturation the identity
        gray = images.mean(dim=1, keepdim=True)
        images = (images - gray) * _per_image(values["saturation"], images) + gray
    mean = images.mean(dim=tuple(range(1, images.ndim)), keepdim=True)
    return (images - mean) * _per_image(values["contrast"], images) + mean


def _crop(images: Tensor, values: Values) -> Tensor:
    """Shift by whole pixels with one gather: exact, where interpolation would round, and faster."""
    shifts, sides = values["shift"], images.shape[2:]
    index = torch.zeros((1,) * len(sides), dtype=torch.int64, device=images.device)
    inside = torch.ones((1,) * len(sides), dtype=torch.bool, device=images.device)
    for axis, side in enumerate(sides):
        shape = [shifts.shape[0], *(side if other == axis else 1 for other in range(len(sides)))]
        source = (torch.arange(side, device=images.device) + shifts[:, axis, None]).reshape(shape)
        index = index * side + source.clamp(0, side - 1)
        inside = inside & (source >= 0) & (source < side)
    flat = images.flatten(2)
    moved = flat.gather(2, index.flatten(1)[:, None].expand_as(flat)).reshape(images.shape)
    return moved * inside[:, None].to(images.dtype)


def _cutout(images: Tensor, values: Values) -> Tensor:
    sides = images.shape[2:]
    hidden = torch.ones((1,) * len(sides), dtype=torch.bool, device=images.device)
    for axis, side in enumerate(sides):
        position = torch.arange(side, device=images.device)
        within = (position >= values["low"][:, axis, None]) & (position < values["high"][:, axis, None])
        hidden = hidden & within.reshape([-1, *(side if other == axis else 1 for other in range(len(sides)))])
    return images * (~hidden)[:, None].to(images.dtype)


def _flip(images: Tensor, values: Values) -> Tensor:
    flipped = values["flipped"].reshape(-1, *(1,) * (images.ndim - 1))
    return torch.where(flipped, images.flip(-1), images)


def _scale(images: Tensor, values: Values) -> Tensor:
    return _resample(images, torch.diag_embed(values["factor"].to(images.dtype)))


def _rotate(images: Tensor, values: Values) -> Tensor:
    radians = values["radians"].to(images.dtype)
    dims = images.ndim - 2
    planes = [(0, 1)] if dims == 2 else [(1, 2), (0, 2), (0, 1)]
    matrix = torch.eye(dims, dtype=images.dtype, device=images.device).expand(radians.shape[0], dims, dims)
    for angle, (first, second) in zip(radians.unbind(1), planes, strict=True):
        turn = torch.eye(dims, dtype=images.dtype, device=images.device).repeat(radians.shape[0], 1, 1)
        turn[:, first, first] = turn[:, second, second] = torch.cos(angle)
        turn[:, first, second] = -torch.sin(angle)
        turn[:, second, first] = torch.sin(angle)
        matrix = matrix @ turn
    return _resample(images, matrix)


def _resample(images: Tensor, matrix: Tensor) -> Tensor:
    """Read each pixel at ``matrix`` [n, d, d] times its offset from the image center, linearly, zero outside."""
    # The grid is made in pixels and then divided by half sides: affine_grid, which maps half sides to half sides, would
    # turn the rotation of a rectangle into a shear. No matrix product, so that TF32 cannot blur the coordinates.
    sides, rows = images.shape[2:], matrix.shape[0]
    grid = images.new_zeros(rows, *(1,) * len(sides), len(sides))
    for axis, side in enumerate(sides):
        line = [side if other == axis else 1 for other in range(len(sides))]
        offset = torch.arange(side, dtype=images.dtype, device=images.device) - (side - 1) / 2
        grid = grid + matrix[:, :, axis].reshape(rows, *(1,) * len(sides), -1) * offset.reshape(1, *line, 1)
    # A side of one pixel has half extent 0; any positive number keeps it in place. No tensor is made of Python numbers:
    # on a GPU that waits for the device.
    halves = [max(side - 1, 1) / 2 for side in sides]
    normalized = torch.stack([axis / half for axis, half in zip(grid.unbind(-1), halves, strict=True)][::-1], dim=-1)
    normalized = normalized.expand(images.shape[0], *sides, -1)  # PyTorch orders the axes last first
    return torch.nn.functional.grid_sample(
        images, normalized, mode="bilinear", padding_mode="zeros", align_corners=True
    )


OPERATIONS: dict[str, Callable[[Tensor, Values], Tensor]] = {
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "rotate": _rotate,
    "scale": _scale,
}
