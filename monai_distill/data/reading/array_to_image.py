"""Arrays to float32 tensors in [0, 1], channel first."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform

from .fitting import axis_sizes, fitted

__all__ = ["ArrayToImaged"]


class ArrayToImaged(Transform):  # type: ignore[misc]  # MONAI ships no types
    """Array under ``image`` to a plain float32 tensor, channel first, in [0, 1], in one step, for sets of many images.

    Args:
        channels_last: whether the arrays are ``[..., C]``; otherwise they have no channel axis and one is put in front.
        image_size: the spatial size to resize the image to, a number for all axes or one per axis; None leaves it.

    Raises:
        ValueError: for an ``image_size`` with another number of axes than the image.
        TypeError: if an array is neither uint8 (0 to 255) nor floating point (taken to be in [0, 1] already).

    Example:
        >>> import numpy as np
        >>> item = {"image": np.full((2, 2, 3), 255, dtype=np.uint8), "label": 1}
        >>> ArrayToImaged(channels_last=True)(item)["image"].shape
        torch.Size([3, 2, 2])
    """

    def __init__(self, *, channels_last: bool, image_size: int | Sequence[int] | None = None) -> None:
        self.channels_last, self.image_size = channels_last, image_size

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a new item; the item of the dataset stays as it is."""
        image = torch.from_numpy(data["image"])
        image = image.movedim(-1, 0) if self.channels_last else image.unsqueeze(0)
        if image.dtype == torch.uint8:
            image = image.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
        elif image.is_floating_point():
            image = image.to(torch.float32).contiguous()
        else:
            raise TypeError(
                f"expected a uint8 array or a float array in [0, 1], got {image.dtype}; convert the images first."
            )
        sizes = axis_sizes(self.image_size, image.shape[1:])
        return {**data, "image": fitted(image, sizes, "stretch")}
