"""Data that ``distill`` is given in Python: a path, or three datasets, with names for their classes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

__all__ = ["NamedDataset", "python_data", "with_class_names"]

SECTIONS = ("training", "validation", "test")


def python_data(training: Any, validation: Any, test: Any) -> tuple[str, dict[str, Any]]:
    """The name of the data set's configuration, and the settings that say where the data is.

    Args:
        training: a dataset, or a path.
        validation: a dataset; None with a path.
        test: likewise.

    Raises:
        TypeError: for data of another kind.
        ValueError: for data that cannot be used.
    """
    if isinstance(training, str | Path):
        if validation is not None or test is not None:
            raise TypeError(f"Expected no validation and test next to the path {training}: it holds all sections.")
        return _path(Path(training).expanduser().resolve())
    datasets = dict(zip(SECTIONS, (training, validation, test), strict=True))
    for name, dataset in datasets.items():
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                f"Expected {name} as a dataset with items image and label, got {type(dataset).__name__}. Give three "
                "datasets, or one path."
            )
        if not len(dataset):
            raise ValueError(f"Expected images in {name}, got an empty dataset.")
    if training is validation or training is test or validation is test:
        raise ValueError("Expected three different datasets, got one of them twice: scores would be of seen images.")
    item = training[0]
    if not isinstance(item, Mapping) or not {"image", "label"} <= item.keys():
        shown = sorted(item) if isinstance(item, Mapping) else type(item).__name__
        raise TypeError(f"Expected items with image and label in training, got {shown}.")
    dims = torch.as_tensor(item["image"]).ndim - 1
    if dims not in (2, 3):
        raise ValueError(
            f"Expected images [channels, *spatial] with 2 or 3 spatial axes, got {list(item['image'].shape)}. Add a "
            "channel axis, such as with EnsureChannelFirstd."
        )
    return "python", {"dataset": Sections(datasets), "spatial_dims": dims}


def _path(path: Path) -> tuple[str, dict[str, Any]]:
    if path.is_dir():
        return "folder", {"dataset_dir": str(path)}
    kinds = {".csv": "table", ".npz": "npz"}
    if not path.is_file() or path.suffix.lower() not in kinds:
        state = "another file" if path.exists() else "nothing"
        raise ValueError(f"Expected a folder of images, a .csv table or a .npz file, got {path}: {state} is there.")
    return kinds[path.suffix.lower()], {"dataset_dir": str(path.parent), "dataset_file": path.name}


def with_class_names(given: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, Any]:
    """The setting of a path, or the three datasets with names for their classes."""
    sections = given.get("dataset")
    if not isinstance(sections, Sections):
        return {"class_names": list(class_names)}
    for name, dataset in sections.datasets.items():
        own = getattr(dataset, "class_names", None)
        if own is not None or "class_name" in dataset[0]:
            raise ValueError(f"Expected no class_names, got {list(class_names)}: {name} names its classes itself.")
    return {"dataset": Sections({name: NamedDataset(part, class_names) for name, part in sections.datasets.items()})}


class Sections:
    """Three datasets as the function of a section's name that a configuration calls."""

    def __init__(self, datasets: Mapping[str, Any]) -> None:
        self.datasets = datasets

    def __call__(self, section: str, cache_rate: float = 0.0) -> Any:  # caching is up to the given datasets
        return self.datasets[section]


class NamedDataset:
    """A dataset with names for its classes; everything else is the dataset's own."""

    def __init__(self, dataset: Any, class_names: Sequence[str]) -> None:
        self.dataset, self.class_names = dataset, tuple(class_names)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[index]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # while it is unpickled in a process that reads the data
            raise AttributeError(name)
        return getattr(self.dataset, name)
