"""Image files decoded once into a memory-mapped array that later runs read."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_distill.data.dataset_reading import differing_sizes, loaded_items
from monai_distill.data.image_cache import MEMORY_SHARE, cached_array, default_cache_dir, stored_checksum
from monai_distill.data.prepared_images import PreparedImages
from monai_distill.data.reading.file_to_image import FileToImaged
from monai_distill.data.reading.fitting import RULE
from monai_distill.runtime.memory import physical_memory

__all__ = ["decoded_images", "writes_images"]

READERS = ("monai", "numpy", "pillow", "torch")  # a new version may decode or resize other values


def decoded_images(dataset: Any, reading: FileToImaged, cache_dir: str | PathLike[str] | None) -> PreparedImages | None:
    """All images of a dataset of files as one memory-mapped array; None where they are better read into memory.

    The array is written when ``cache_dir`` is given, or when the images take more than a quarter of the machine's
    memory. It is found again by the paths, sizes and times of change of the files, by how they are read, and by the
    versions of the libraries that read them.

    Args:
        dataset: its ``data`` are items with the path of a file below ``image``; ``dataset[i]`` reads it.
        reading: how a file becomes an image.
        cache_dir: folder of the array; None: the user's cache folder.

    Raises:
        ValueError: if the images differ in size.
    """
    shape = (len(dataset), *dataset[0]["image"].shape)
    if not writes_images(shape, cache_dir):
        return None
    files = [path for item in dataset.data for path in (item["image"], item.get("mask")) if path is not None]
    job = {
        "files": _stamp(files),
        "reading": {name: value for name, value in sorted(vars(reading).items()) if not name.startswith("_")},
        "versions": {"rule": RULE, **{name: version(name) for name in READERS}},
    }

    def decode(array: np.ndarray[Any, Any]) -> None:
        for position, item in enumerate(loaded_items(dataset)):
            image = item["image"]
            if image.shape != shape[1:]:
                paths = [dataset.data[place]["image"] for place in (0, position)]
                raise ValueError(differing_sizes(paths, (shape[1:], image.shape)))
            array[position] = image

    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    array = cached_array(folder, job, shape, np.dtype("float32"), decode)
    return PreparedImages(array, channel_axis=1, source=stored_checksum(array))


def writes_images(shape: Sequence[int], cache_dir: str | PathLike[str] | None) -> bool:
    """Whether decoded images [n, channels, *spatial] are written to a file rather than held in memory.

    Example:
        >>> writes_images((100, 1, 28, 28), None), writes_images((100, 1, 28, 28), "cache")
        (False, True)
    """
    return cache_dir is not None or 4 * math.prod(shape) * MEMORY_SHARE > physical_memory()


def _stamp(paths: Iterable[str]) -> str:
    """SHA-256 over paths, sizes and times of change."""
    digest = hashlib.sha256()
    for path in paths:
        place = Path(path)
        for file in sorted(place.iterdir()) if place.is_dir() else [place]:
            state = file.stat()
            digest.update(f"{file.resolve()}\t{state.st_size}\t{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
