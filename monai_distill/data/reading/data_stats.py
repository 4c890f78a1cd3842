"""Items of an image classification data set as MONAI's data analyzer reads them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils import ImageMetaKey

from .file_to_image import FileToImaged

__all__ = ["ClassAsMapd", "data_stats_transforms"]


class ClassAsMapd(Transform):  # type: ignore[misc]  # MONAI ships no types
    """The class number under ``label`` as a map of the image's shape, which MONAI's ``DataAnalyzer`` takes for a mask.

    The map holds the class number plus 1 at every pixel: 0 is background there, and an image without a foreground
    has no statistics. The labels of the result are therefore the classes, counted from 1, and its foreground
    statistics are those of whole images. The image [C, *spatial] becomes a ``MetaTensor``. A path is read first.

    Args:
        reading: reads an item whose ``image`` is a path.

    Raises:
        TypeError: from the call, for an item without an image and a class number.

    Example:
        >>> item = ClassAsMapd()({"image": torch.rand(3, 4, 5), "label": 1})
        >>> item["label"].shape, item["label"].unique().tolist()
        (torch.Size([1, 4, 5]), [2])
    """

    def __init__(self, reading: Callable[[Mapping[Hashable, Any]], Any] | None = None) -> None:
        self.reading = FileToImaged() if reading is None else reading

    def __call__(self, item: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with both entries replaced."""
        if not isinstance(item, Mapping) or not {"image", "label"} <= item.keys():
            shown = sorted(map(str, item)) if isinstance(item, Mapping) else type(item).__name__
            raise TypeError(f"Expected an item with image and label, got {shown}. Give the items of a classification.")
        file = item["image"] if isinstance(item["image"], str) else ""
        image = torch.as_tensor(self.reading(item)["image"] if file else item["image"]).float()
        label = torch.full((1, *image.shape[1:]), int(item["label"]) + 1)
        meta = {str(ImageMetaKey.FILENAME_OR_OBJ): file}
        return {**item, "image": MetaTensor(image, meta=meta), "label": MetaTensor(label, meta=meta)}


def data_stats_transforms() -> list[ClassAsMapd]:
    """The transforms that MONAI's federated statistics need for the data of a bundle of this package.

    Give them to ``monai.fl.client.MonaiAlgoStats(bundle_root, data_stats_transform_list=data_stats_transforms())``.
    Without them MONAI reads both image and label as files of a segmentation. See :class:`ClassAsMapd` for what the
    result says. Its summary goes to the server and is computed from patient images, without any guarantee.

    Example:
        >>> [type(transform).__name__ for transform in data_stats_transforms()]
        ['ClassAsMapd']
    """
    return [ClassAsMapd()]
