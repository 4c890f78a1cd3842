"""Stored arrays of images at another size: each resized once."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_distill.data.image_cache import cached_array, default_cache_dir, stored_checksum
from monai_distill.data.prepared_images import PreparedImages
from monai_distill.data.reading.fitting import RULE, fitted
from monai_distill.runtime.progress import with_progress

from .decoded_images import writes_images

__all__ = ["resized_images"]

READERS = ("monai", "torch")  # a new version may resize to other values


def resized_images(
    images: PreparedImages, sizes: Sequence[int], cache_dir: str | PathLike[str] | None
) -> PreparedImages:
    """The images at other sizes, as float32: in memory, or in a file where :func:`writes_images` says so.

    Args:
        images: [n, C, *spatial] as stored.
        sizes: one per spatial axis; linear with anti-aliasing, as files are resized.
        cache_dir: folder of the file; None: the user's cache folder.

    Example:
        >>> import torch
        >>> resized_images(PreparedImages(torch.ones(3, 4, 4)), (2, 2), None).shape
        torch.Size([3, 1, 2, 2])
    """
    shape = (*images.shape[:2], *sizes)

    def fill(array: np.ndarray[Any, Any]) -> None:
        for position in with_progress(range(len(images)), len(images), "resizing images", "images"):
            array[position] = fitted(images[position], sizes, "stretch").numpy()

    if not writes_images(shape, cache_dir):
        values = np.empty(shape, dtype=np.float32)
        fill(values)
        return PreparedImages(values, channel_axis=1)
    versions = {"rule": RULE, **{name: version(name) for name in READERS}}
    job = {"source": images.job, "sizes": list(sizes), "versions": versions}
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    array = cached_array(folder, job, shape, np.dtype("float32"), fill)
    return PreparedImages(array, channel_axis=1, source=stored_checksum(array))
