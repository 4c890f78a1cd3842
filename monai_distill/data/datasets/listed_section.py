"""A section of a data set from any data source: a dataset of this package, or a list of items."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import Dataset

from monai_distill.data.reading.file_to_image import FileToImaged

__all__ = ["listed_section"]


def listed_section(
    data: Any, class_names: Sequence[str], transform: Callable[[Mapping[Hashable, Any]], Any] | None = None
) -> Any:
    """The dataset that MONAI's property ``train_dataset`` names, whose ``data`` a user may replace.

    A dataset that reads its own items is returned as it is. A list of dictionaries becomes a MONAI ``Dataset``: an
    ``image`` that is a path is read by :class:`FileToImaged`, an array or tensor [channels, *spatial] is taken as it
    is, and uint8 values are divided by 255.

    Args:
        data: a dataset, or a list of dictionaries with ``image`` and ``label``.
        class_names: every class in label order.
        transform: replaces the reading of listed items.

    Raises:
        TypeError: for data of another kind.

    Example:
        >>> section = listed_section([{"image": torch.ones(1, 2, 2), "label": 1}], ["no", "yes"])
        >>> section.class_names, section[0]["image"].shape
        (('no', 'yes'), torch.Size([1, 2, 2]))
    """
    if not isinstance(data, (list, tuple)):
        if hasattr(data, "__getitem__") and hasattr(data, "__len__") and transform is None:
            return data
        raise TypeError(
            f"Expected a dataset or a list of dictionaries with image and label as data, got {type(data).__name__}"
            f"{'' if transform is None else ' with a transform, which only a list takes'}."
        )
    odd = next((item for item in data if not isinstance(item, Mapping) or not {"image", "label"} <= item.keys()), None)
    if odd is not None:
        shown = sorted(map(str, odd)) if isinstance(odd, Mapping) else type(odd).__name__
        raise TypeError(f"Expected dictionaries with image and label in data, got {shown}.")
    section = Dataset(list(data), _taken if transform is None else transform)
    section.class_names = tuple(class_names)
    return section


def _taken(item: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
    if isinstance(item["image"], str):
        return FileToImaged()(item)
    image = torch.as_tensor(item["image"])
    return {**item, "image": image.float() / 255 if image.dtype == torch.uint8 else image.float()}
