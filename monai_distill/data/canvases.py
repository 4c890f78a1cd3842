"""Canvases of real images: several shrunk images on each, and what a decode makes of them again."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from torch import Tensor

from monai_distill.transforms.canvas_decode import CanvasDecode

from .synthetic_dataset import SyntheticDataset

__all__ = ["decoded_per_class", "decoded_start", "images_to_pack", "packed_canvases"]


def images_to_pack(decode: CanvasDecode, canvases: int, spatial_dims: int) -> int:
    """How many images fill that many canvases of one class.

    Args:
        decode: gives the cells of a canvas.
        canvases: of the class.
        spatial_dims: 2 or 3.

    Example:
        >>> images_to_pack(CanvasDecode(2), 10, 2), images_to_pack(CanvasDecode(2), 10, 3)
        (40, 80)
    """
    return len(decode.cells([0] * canvases, spatial_dims).finest().canvas)


def decoded_per_class(decode: CanvasDecode, canvases: int, spatial_dims: int) -> int:
    """How many images the networks see of that many canvases of one class.

    Example:
        >>> decoded_per_class(CanvasDecode(2), 10, 2), decoded_per_class(CanvasDecode(2, "multi"), 10, 2)
        (40, 50)
    """
    return len(decode.cells([0] * canvases, spatial_dims).canvas)


def packed_canvases(images: Tensor, labels: Tensor, decode: CanvasDecode, preprocessing: Any = None) -> Tensor:
    """Canvases [n, C, *spatial] that hold shrunk ``images``; both in the networks' input space.

    Args:
        images: [N, C, *spatial], those of a canvas one after another.
        labels: class number of every canvas [n].
        decode: gives the cells of a canvas.
        preprocessing: of the images. Whitening is undone before images are shrunk.

    Raises:
        ValueError: if there are more or fewer images than cells.

    Example:
        >>> import torch
        >>> packed_canvases(torch.ones(4, 1, 4, 4), torch.tensor([0]), CanvasDecode(2)).shape
        torch.Size([1, 1, 4, 4])
    """
    if preprocessing is None or preprocessing.is_per_channel:
        return decode.pack(images, labels.tolist())
    canvases: Tensor = preprocessing(decode.pack(preprocessing.inverse(images), labels.tolist()))
    return canvases


def decoded_start(
    start: tuple[Tensor, Tensor], decode: CanvasDecode | None = None, preprocessing: Any = None
) -> tuple[Tensor, Tensor]:
    """The images [N, C, *spatial] and class numbers [N] of canvases that a distillation starts from.

    Args:
        start: canvases [n, C, *spatial] and their class numbers [n].
        decode: of the set.
        preprocessing: of the set.

    Example:
        >>> import torch
        >>> images, labels = decoded_start((torch.zeros(2, 1, 4, 4), torch.tensor([0, 1])), CanvasDecode(2))
        >>> images.shape, labels.tolist()
        (torch.Size([8, 1, 4, 4]), [0, 0, 0, 0, 1, 1, 1, 1])
    """
    canvases, labels = start
    names = [str(number) for number in range(int(labels.max()) + 1)]
    decoded = SyntheticDataset(canvases, labels, names, decode=decode, preprocessing=preprocessing)
    return decoded.decoded().detach(), decoded.labels
