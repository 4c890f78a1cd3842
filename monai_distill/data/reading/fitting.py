"""From the stored grid of an image to the one that networks see: resized, padded, cropped or resampled."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from monai.data import MetaTensor
from monai.transforms import GaussianSmooth, ResizeWithPadOrCrop, Spacing
from torch import Tensor
from torch.nn.functional import interpolate

from monai_distill.runtime.validation import require_positive_int

__all__ = ["FITS", "RULE", "Fit", "axis_sizes", "cropped_or_filled", "fitted", "inner_sizes", "resampled"]

Fit = Literal["stretch", "pad", "crop"]
FITS: tuple[Fit, ...] = ("stretch", "pad", "crop")
RULE = 2  # version of how images are resized here: a cache of another version is not read
_ADVICE = "give one whole number per axis, such as [64, 64], or a single one for all axes"


def axis_sizes(image_size: int | Sequence[int] | None, shape: Sequence[int]) -> tuple[int, ...]:
    """One size per axis of ``shape``; that of ``shape`` itself when ``image_size`` is None.

    Raises:
        ValueError: when ``image_size`` has another number of axes, or a number that is no size.

    Example:
        >>> axis_sizes(8, (3, 4, 5))
        (8, 8, 8)
    """
    if image_size is None:
        return tuple(shape)
    sizes = (image_size,) * len(shape) if isinstance(image_size, (int, str)) else tuple(image_size)
    if len(sizes) != len(shape):
        raise ValueError(
            f"image_size {sizes} has {len(sizes)} numbers, got an image of shape {tuple(shape)}; {_ADVICE}."
        )
    require_positive_int(f"For image_size, {_ADVICE}.", **{f"image_size[{n}]": size for n, size in enumerate(sizes)})
    return sizes


def inner_sizes(shape: Sequence[int], sizes: Sequence[int], fit: Fit) -> tuple[int, ...]:
    """The sizes that an image of ``shape`` is resized to before it is padded or cropped to ``sizes``.

    Example:
        >>> [inner_sizes((100, 50), (20, 20), fit) for fit in FITS]
        [(20, 20), (20, 10), (40, 20)]
    """
    if fit == "stretch":
        return tuple(sizes)
    factors = [new / old for new, old in zip(sizes, shape, strict=True)]
    factor = min(factors) if fit == "pad" else max(factors)
    return tuple(max(1, round(old * factor)) for old in shape)


def fitted(image: Tensor, sizes: Sequence[int], fit: Fit) -> Tensor:
    """The image [C, \\*spatial] at ``sizes``, linear with anti-aliasing along every axis; a constant image stays so.

    Args:
        image: the image.
        sizes: one per spatial axis.
        fit: ``stretch`` changes its proportions where they differ from those of ``sizes``; ``pad`` keeps them and fills
            with 0 around the middle; ``crop`` keeps them and cuts off what is outside the middle.

    Example:
        >>> fitted(torch.ones(1, 4, 2), (2, 2), "pad")
        tensor([[[1., 0.],
                 [1., 0.]]])
    """
    resized = _resized(image, inner_sizes(image.shape[1:], sizes, fit))
    return cropped_or_filled(resized, sizes)


def cropped_or_filled(image: Tensor, sizes: Sequence[int]) -> Tensor:
    """The image [C, \\*spatial] cut off or filled with 0 around its middle, to ``sizes``."""
    return image if tuple(image.shape[1:]) == tuple(sizes) else _plain(ResizeWithPadOrCrop(sizes)(image))


def resampled(image: Tensor, spacing: Sequence[float], pixdim: Sequence[float]) -> Tensor:
    """The image [C, \\*spatial] with ``pixdim`` millimeters per axis, linear, smoothed first where it gets coarser."""
    # as MONAI's Resize smooths before it makes an image smaller; Spacing does not
    blur = [max(0.0, (new / old - 1) / 2) for new, old in zip(pixdim, spacing, strict=True)]
    smoothed = _smoothed(image, blur) if any(blur) else image
    placed = MetaTensor(smoothed, affine=torch.diag(torch.tensor([*spacing, *[1.0] * (4 - len(spacing))])))
    return _plain(Spacing(pixdim, mode="bilinear", padding_mode="border")(placed)).float()


def _resized(image: Tensor, size: tuple[int, ...]) -> Tensor:
    if size == tuple(image.shape[1:]):
        return image
    if len(size) == 2:
        return interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
    # torch's filter exists in 2D only, but it is a product of one filter per axis: rows and columns, then the depth
    slices = _resized(image.flatten(0, 1), size[1:])
    columns = slices.reshape(*image.shape[:2], size[1] * size[2])
    return _resized(columns, (size[0], columns.shape[2])).reshape(len(image), *size)


def _smoothed(image: Tensor, sigma: list[float]) -> Tensor:
    # MONAI's filter takes 0 for what is outside of the image, so that its sides get darker; divided, they do not
    smooth = GaussianSmooth(sigma)
    return _plain(smooth(image)) / _plain(smooth(torch.ones_like(image[:1])))


def _plain(image: Any) -> Tensor:
    tensor: Tensor = image.as_tensor() if hasattr(image, "as_tensor") else image
    return tensor
