"""The properties of a data set and of a machine that decide settings and cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_distill.data.datasets.decoded_images import writes_images
from monai_distill.data.datasets.image_files import ImageFilesDataset
from monai_distill.data.datasets.npz import NPZDataset
from monai_distill.data.prepared_images import PreparedImages
from monai_distill.data.split_banks import SplitBanks
from monai_distill.runtime.memory import physical_memory

__all__ = ["DataFacts", "MachineFacts", "Sample", "read_sample"]

SECTIONS = ("training", "validation", "test")
SAMPLE = 256  # a plan decodes at most so many training images, and an eighth as many of each other section
Section = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class DataFacts:
    """The properties of a data set.

    Attributes:
        name: of the data set.
        counts: training images by class, in label order.
        validation: number of validation images.
        test: number of test images.
        shape: channels and spatial sides of an image.
        item_seconds: CPU seconds that decoding one image takes.

    Example:
        >>> facts = DataFacts("scans", (30, 10), 5, 5, (1, 28, 28))
        >>> facts.training, facts.balance, facts.pixels
        (40, 3.0, 784)
    """

    name: str
    counts: tuple[int, ...]
    validation: int
    test: int
    shape: tuple[int, ...]
    item_seconds: float = 0.0

    @property
    def training(self) -> int:
        """Number of training images."""
        return sum(self.counts)

    @property
    def balance(self) -> float:
        """Images of the largest class per image of the smallest."""
        return max(self.counts) / max(1, min(self.counts))

    @property
    def pixels(self) -> int:
        """Pixels (voxels) of a channel."""
        return int(np.prod(self.shape[1:]))

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return {**dataclasses.asdict(self), "training": self.training, "balance": round(self.balance, 2)}


@dataclasses.dataclass(frozen=True)
class MachineFacts:
    """The properties of a machine.

    Attributes:
        device: ``cpu``, ``cuda``, ...
        name: of the processor or the GPU.
        memory: bytes that the process may use on the device.
        threads: CPU threads that compute.
        disk: free bytes where the run folder will lie.
    """

    device: str
    name: str
    memory: int
    threads: int
    disk: int

    @classmethod
    def here(cls, device: str | torch.device, folder: str | Path) -> MachineFacts:
        """This machine.

        Args:
            device: the device of the run.
            folder: of the run; it need not exist.

        Example:
            >>> MachineFacts.here("cpu", "runs/new").memory > 2**20
            True
        """
        place = Path(folder).absolute()
        while not place.is_dir():
            place = place.parent
        device = torch.device(device)
        if device.type == "cuda":
            memory, name = torch.cuda.get_device_properties(device).total_memory, torch.cuda.get_device_name(device)
        else:
            memory, name = physical_memory(), platform.machine()
        return cls(device.type, name, memory, torch.get_num_threads(), shutil.disk_usage(place).free)

    @property
    def cores(self) -> int:
        """Cores of the machine."""
        return os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class Sample:
    """The facts of a data set, and banks of a few of its images for timing.

    Attributes:
        facts: of the complete data set.
        banks: a few images of every section.
        on_disk: whether a run reads the images from a memory-mapped file.
        decoded_to_disk: whether a run decodes the files into that file first.
    """

    facts: DataFacts
    banks: SplitBanks
    on_disk: bool = False
    decoded_to_disk: bool = False

    @property
    def value_bytes(self) -> int:
        """Bytes of a stored value: 1 for uint8, 4 for float32."""
        images = self.banks.training.images
        return 4 if self.decoded_to_disk or not isinstance(images, PreparedImages) else images.pixels.element_size()


class _Part:
    """Some items of a dataset, decoded."""

    def __init__(self, dataset: Any, positions: Sequence[int]) -> None:
        self.class_names = dataset.class_names
        listed = getattr(dataset, "data", None)  # its paths name the files in errors
        self.data = [listed[position] for position in positions] if isinstance(listed, Sequence) else None
        self.items = [dataset[position] for position in positions]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> Any:
        return self.items[position]


def read_sample(name: str, section: Section, fit: Callable[..., Any], device: str | torch.device) -> Sample:
    """List the three sections of a data set and decode a few images of each.

    Identical images are found only when everything is read. A run may use a few images fewer than counted here.

    Args:
        name: of the data set.
        section: makes a section by its name.
        fit: makes the preprocessing from the training images.
        device: where the images are put.

    Raises:
        ValueError: for data that cannot be used (see :class:`~monai_distill.data.SplitBanks`).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run shows these warnings, for all images
        datasets = [section(section=part, cache_rate=0.0) for part in SECTIONS]
        labels = [_labels(dataset) for dataset in datasets]
        began = time.process_time()
        parts = [
            _Part(dataset, _spread(of, SAMPLE if number == 0 else SAMPLE // 8))
            for number, (dataset, of) in enumerate(zip(datasets, labels, strict=True))
        ]
        seconds = (time.process_time() - began) / sum(len(part) for part in parts)
        # duplicates within so few images would leave classes empty
        banks = SplitBanks(*parts, fit=fit, device=device)
    classes = len(datasets[0].class_names)
    counts = np.bincount(labels[0], minlength=classes)
    facts = DataFacts(
        name, tuple(int(n) for n in counts), len(labels[1]), len(labels[2]), tuple(banks.image_shape), seconds
    )
    files = [_decodes_to_disk(dataset, facts.shape) for dataset in datasets]
    return Sample(facts, banks, any(files) or any(map(_is_mapped, datasets)), any(files))


def _is_mapped(dataset: Any) -> bool:
    """Whether the items are rows of a memory-mapped array."""
    if _is_resized(dataset):
        return False
    listed = getattr(dataset, "data", None)
    first = listed[0] if isinstance(listed, Sequence) and len(listed) else None
    return isinstance(first, Mapping) and isinstance(first.get("image"), np.memmap)


def _decodes_to_disk(dataset: Any, shape: Sequence[int]) -> bool:
    if not (isinstance(dataset, ImageFilesDataset) or _is_resized(dataset)) or not dataset.uses_default_transform:
        return False
    return writes_images((len(dataset), *shape), dataset.cache_dir)


def _is_resized(dataset: Any) -> bool:
    return isinstance(dataset, NPZDataset) and dataset.image_size is not None


def _labels(dataset: Any) -> np.ndarray[Any, Any]:
    """The class numbers: from the list of items where there is one, else every item is decoded."""
    listed: Any = getattr(dataset, "data", None)
    is_list = isinstance(listed, Sequence) and len(listed) == len(dataset)
    items = listed if is_list and all(isinstance(item, Mapping) and "label" in item for item in listed[:1]) else dataset
    return np.array([int(items[position]["label"]) for position in range(len(dataset))])


def _spread(labels: np.ndarray[Any, Any], limit: int) -> list[int]:
    """About ``limit`` positions at most: equally many of every class, or all images of a small class."""
    of_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    share = max(2, limit // len(of_class))
    return sorted(int(i) for positions in of_class for i in positions[:share])
