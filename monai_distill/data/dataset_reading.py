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

from monai_distill.runtime.progress import MANY, open_progress_bar

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
    blocks = [(dataset.data, None)] if stored is not None else _loaded_blocks(dataset)
    array = _GrowingArray(len(dataset))
    labels = torch.empty(len(dataset), dtype=torch.long)
    names: dict[int, str] = {}
    patients: list[Any] = []
    position = 0
    for items, images in blocks:
        if images is not None:
            _put(array, position, images, dataset)
        for item in items:
            label = _class_number(item, position)
            labels[position] = label
            names.setdefault(label, str(item.get("class_name", label)))
            patients.append(item.get("patient"))
            if stored is None and images is None:
                image = torch.as_tensor(item["image"], dtype=torch.float32).as_subclass(Tensor)
                _put(array, position, image[None], dataset)
            position += 1
    class_names = [names.get(label, str(label)) for label in range(int(labels.max()) + 1)]
    prepared = stored if stored is not None else PreparedImages(array.values, channel_axis=1)
    return DatasetContent(prepared, labels, class_names, _patient_numbers(patients))


def loaded_items(dataset: Any) -> Iterator[Any]:
    """Every item of a dataset in order; several processes read a large one and show their progress.

    Example:
        >>> list(loaded_items([{"image": 1}, {"image": 2}]))
        [{'image': 1}, {'image': 2}]
    """
    for items, images in _loaded_blocks(dataset):
        yield from items if images is None else _unpacked(items, images)


def _loaded_blocks(dataset: Any) -> Iterator[tuple[Sequence[Any], Tensor | None]]:
    """The items of a dataset in blocks, each with its images [m, channels, *spatial] where these make one tensor."""
    workers = min(_cores(), 8) if len(dataset) >= WORKERS_FROM else 0
    blocks = map(_packed, _gathered(dataset)) if workers < 2 else _loader(dataset, workers)
    name = getattr(dataset, "section", "")
    description = f"reading {name} images" if name else "reading images"
    with open_progress_bar(len(dataset), description, "files", soon=len(dataset) >= MANY) as bar:
        for items, images in blocks:
            yield items, images
            bar.update(len(items))


def _gathered(dataset: Any) -> Iterator[list[Any]]:
    items: list[Any] = []
    for position in range(len(dataset)):
        items.append(dataset[position])
        if len(items) == _items_at_once(items[0]):
            yield items
            items = []
    if items:
        yield items


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
    images = [image for image in all_images if type(image) is Tensor and image.dtype == torch.float32]
    if len(images) < len(items) or len({image.shape for image in images}) > 1:
        return items, None
    return [{**item, "image": None} for item in items], _as_bytes(torch.stack(images))


def _as_bytes(images: Tensor) -> Tensor:
    """Images [m, ...] of float32 as bytes if every value is a multiple of 1/255, else as they are."""
    for part in (images[:1], images):  # the first image costs little, and mostly decides
        # a value outside [0, 1] becomes some byte, which is not equal to it
        stored = (part * 255).round_().to(torch.uint8)
        if not torch.equal(stored / 255, part):
            return images
    return stored


def _unpacked(items: Sequence[Any], images: Tensor) -> list[Any]:
    values = images / 255 if images.dtype == torch.uint8 else images
    return [{**item, "image": image} for item, image in zip(items, values, strict=True)]


def differing_sizes(paths: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    """The error for two images of different size or channels.

    Example:
        >>> differing_sizes(["x/a.png", "x/b.png"], [(1, 8, 8), (1, 9, 8)])[:75]
        'Images differ in size: a.png has [channels, *spatial] [1, 8, 8] and b.png h'
    """
    first, second = (Path(path).name for path in paths)
    differs = "channels" if list(shapes[0][1:]) == list(shapes[1][1:]) else "size"
    advice = {"channels": "channels=1 or 3", "size": "image_size, and channels=1 or 3 if the channels differ"}[differs]
    return (
        f"Images differ in {differs}: {first} has [channels, *spatial] {list(shapes[0])} and {second} has "
        f"{list(shapes[1])}, expected the same for all; pass {advice}."
    )


class _GrowingArray:
    """Images [n, channels, *spatial] as bytes while every value is a multiple of 1/255, from then on as float32."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.values: Tensor = torch.empty(0)

    def put(self, position: int, images: Tensor) -> None:
        """Store images [m, channels, *spatial], which are bytes or float32, from ``position`` on."""
        if not position:
            self.values = torch.empty((self.count, *images.shape[1:]), dtype=images.dtype)
        elif images.dtype == torch.float32 != self.values.dtype:
            before, self.values = self.values, torch.empty(self.values.shape, dtype=torch.float32)
            self.values[:position] = before[:position] / 255
        are_bytes = images.dtype == torch.uint8 != self.values.dtype
        self.values[position : position + len(images)] = images / 255 if are_bytes else images


def _put(array: _GrowingArray, position: int, images: Tensor, dataset: Any) -> None:
    if position and images.shape[1:] != array.values.shape[1:]:
        files = [_name(dataset, place) for place in (0, position)]
        raise ValueError(differing_sizes(files, (array.values.shape[1:], images.shape[1:])))
    may_be_bytes = images.dtype == torch.float32 and not (position and array.values.dtype == torch.float32)
    array.put(position, _as_bytes(images) if may_be_bytes else images)


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
