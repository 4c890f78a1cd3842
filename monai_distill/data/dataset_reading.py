"""Reads all items of a MONAI dataset once, by several workers, into one array of the source's type."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from monai.data import DataLoader
from torch import Tensor

from monai_distill.runtime.progress import with_progress

from .prepared_images import PreparedImages

__all__ = ["DatasetContent", "differing_sizes", "loaded_items", "read_dataset"]

WORKERS_FROM = 2000  # number of items below which starting worker processes takes longer than reading
MOST_ITEMS, BATCH_BYTES = 64, 4 * 2**20  # that a worker sends at once


class DatasetContent(NamedTuple):
    """The content of a dataset.

    Attributes:
        images: [n, channels, *spatial].
        labels: class numbers [n].
        class_names: the items' class names in label order; a class without a name is named by its number.
        patients: patient number of every image [n]; None unless every image has a patient.
    """

    images: PreparedImages
    labels: Tensor
    class_names: list[str]
    patients: Tensor | None


def read_dataset(dataset: Any) -> DatasetContent:
    """Read every item of a MONAI dataset (keys ``image`` and ``label``) once.

    A dataset with a ``stored_images()`` method returns all its images as one :class:`PreparedImages`, without a copy.
    The items of other datasets are read one by one; several processes read a large dataset. Images whose values are
    all multiples of 1/255 are stored as bytes.

    Raises:
        TypeError: if an item is not a dictionary with ``image`` and ``label``, or a label is not a class number.
        ValueError: if the images differ in shape, or the dataset is empty.

    Example:
        >>> from monai.data import Dataset
        >>> items = [{"image": torch.ones(1, 8, 8), "label": 0}, {"image": torch.zeros(1, 8, 8), "label": 1}]
        >>> content = read_dataset(Dataset(items))
        >>> content.images.shape, content.images.pixels.dtype, content.class_names
        (torch.Size([2, 1, 8, 8]), torch.uint8, ['0', '1'])
    """
    if not len(dataset):
        raise ValueError("The dataset is empty.")
    stored = dataset.stored_images() if hasattr(dataset, "stored_images") else None
    items = dataset.data if stored is not None else loaded_items(dataset)
    array = _GrowingArray(len(dataset))
    labels = torch.empty(len(dataset), dtype=torch.long)
    names: dict[int, str] = {}
    patients: list[Any] = []
    for position, item in enumerate(items):
        label = _class_number(item, position)
        labels[position] = label
        names.setdefault(label, str(item.get("class_name", label)))
        patients.append(item.get("patient"))
        if stored is None:
            image = torch.as_tensor(item["image"], dtype=torch.float32).as_subclass(Tensor)
            if position and image.shape != array.values.shape[1:]:
                files = [_name(dataset, place) for place in (0, position)]
                raise ValueError(differing_sizes(files, (array.values.shape[1:], image.shape)))
            array.put(position, image)
    class_names = [names.get(label, str(label)) for label in range(int(labels.max()) + 1)]
    images = stored if stored is not None else PreparedImages(array.values, channel_axis=1)
    return DatasetContent(images, labels, class_names, _patient_numbers(patients))


def loaded_items(dataset: Any) -> Iterator[Any]:
    """Every item of a dataset in order; several processes read a large one and show their progress.

    Example:
        >>> list(loaded_items([{"image": 1}, {"image": 2}]))
        [{'image': 1}, {'image': 2}]
    """
    workers = min(_cores(), 8) if len(dataset) >= WORKERS_FROM else 0
    if workers < 2:
        items: Any = (dataset[i] for i in range(len(dataset)))
    else:
        items = (item for batch in _loader(dataset, workers) for item in _unpacked(*batch))
    name = getattr(dataset, "section", "")
    yield from with_progress(items, len(dataset), f"reading {name} images" if name else "reading images")


def _loader(dataset: Any, workers: int) -> Any:
    # Without a generator the loader draws its seed from the global random state.
    each = _items_at_once(dataset[0])
    return DataLoader(dataset, workers, batch_size=each, collate_fn=_packed, generator=torch.Generator())


def _items_at_once(item: Any) -> int:
    image = item.get("image") if isinstance(item, Mapping) else None
    size = image.nbytes if isinstance(image, Tensor) else BATCH_BYTES
    return max(1, min(MOST_ITEMS, BATCH_BYTES // max(size, 1)))


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _packed(items: list[Any]) -> tuple[list[Any], Tensor | None]:
    """The items of a batch with their images as one tensor, where that is possible: every tensor costs a descriptor."""
    all_images = [item.get("image") if isinstance(item, Mapping) else None for item in items]
    images = [image for image in all_images if type(image) is Tensor]
    if len(images) < len(items) or len({(image.shape, image.dtype) for image in images}) > 1:
        return items, None
    return [{**item, "image": None} for item in items], torch.stack(images)


def _unpacked(items: list[Any], images: Tensor | None) -> list[Any]:
    if images is None:
        return items
    return [{**item, "image": image} for item, image in zip(items, images, strict=True)]


def differing_sizes(paths: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    """The error for two images of different size.

    Example:
        >>> differing_sizes(["x/a.png", "x/b.png"], [(1, 8, 8), (1, 9, 8)])[:75]
        'Images differ in size: a.png has [channels, *spatial] [1, 8, 8] and b.png h'
    """
    first, second = (Path(path).name for path in paths)
    return (
        f"Images differ in size: {first} has [channels, *spatial] {list(shapes[0])} and {second} has "
        f"{list(shapes[1])}, expected one size; pass image_size, and channels=1 or 3 if the channels differ."
    )


class _GrowingArray:
    """Images [n, channels, *spatial] as bytes while every value is a multiple of 1/255, from then on as float32."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.values: Tensor = torch.empty(0)

    def put(self, position: int, image: Tensor) -> None:
        if position and self.values.dtype == torch.float32:
            self.values[position] = image
            return
        # a value outside [0, 1] becomes some byte, which is not equal to it
        as_bytes = (image * 255).round().to(torch.uint8)
        fits = torch.equal(as_bytes / 255, image)
        if not position:
            self.values = torch.empty((self.count, *image.shape), dtype=torch.uint8 if fits else torch.float32)
        elif not fits:
            before, self.values = self.values, torch.empty(self.values.shape, dtype=torch.float32)
            self.values[:position] = before[:position] / 255
        self.values[position] = as_bytes if fits else image


def _name(dataset: Any, position: int) -> str:
    """The file of an item, where it is known, else its position."""
    data = getattr(dataset, "data", None)
    item = data[position] if isinstance(data, Sequence) else None
    image = item.get("image") if isinstance(item, Mapping) else None
    return image if isinstance(image, str) else f"the image at position {position}"


def _class_number(item: Any, position: int) -> int:
    if not (isinstance(item, Mapping) and "image" in item and "label" in item):
        keys = f"the keys {list(item)}" if isinstance(item, Mapping) else type(item).__name__
        raise TypeError(
            f"Expected items as dictionaries with image and label, got {keys} at position {position}. Wrap the "
            "dataset, or rename the keys in its transform."
        )
    label = item["label"]
    try:
        number = int(label)
    except (TypeError, ValueError, RuntimeError):  # text, or more than one number
        number = None
    if number is None or bool(number != label):
        raise TypeError(
            f"Expected a class number from 0 as label, got {label!r} at position {position}. One class per image is "
            "supported; number the classes, and name them in class_name or class_names."
        )
    return number


def _patient_numbers(patients: Sequence[Any]) -> Tensor | None:
    """A number for every patient, so that no identifier is stored; None unless every image has a patient."""
    if any(patient is None for patient in patients):
        return None
    numbers = {patient: number for number, patient in enumerate(dict.fromkeys(patients))}
    return torch.tensor([numbers[patient] for patient in patients], dtype=torch.long)
