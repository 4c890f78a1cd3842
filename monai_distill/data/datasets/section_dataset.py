"""The parent of every dataset: one section of a labeled image set, cached, with its provenance."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from monai.data import CacheDataset
from monai.transforms import Randomizable

from monai_distill.runtime.progress import with_progress

__all__ = ["SECTIONS", "DataSource", "SectionDataset"]

SECTIONS = ("training", "validation", "test")


@dataclass(frozen=True)
class DataSource:
    """The provenance entries on the origin of the data.

    Attributes:
        name: of the data set; None takes the name of the file or folder.
        license: of the images.
        citation: of the publication.
    """

    name: str | None = None
    license: str = "unknown"
    citation: str = "unknown"

    def to_dict(self, default_name: str) -> dict[str, str]:
        """``name``, ``license`` and ``citation`` of a provenance.

        Example:
            >>> DataSource(license="CC BY 4.0").to_dict("table.csv")
            {'name': 'table.csv', 'license': 'CC BY 4.0', 'citation': 'unknown'}
        """
        return {"name": self.name or default_name, "license": self.license, "citation": self.citation}


class SectionDataset(Randomizable, CacheDataset):  # type: ignore[misc]  # MONAI ships no types
    """One section of a labeled image set; subclasses define where items come from and how an image is read.

    Follows :py:class:`monai.apps.MedNISTDataset` (MONAI, 2020). After the default transform an item is a dict with
    ``image`` (plain ``torch.Tensor``, float32, ``[C, H, W]`` or ``[C, D, H, W]``, values in [0, 1]), ``label`` (int),
    ``class_name`` (str) and, where it is known, ``patient`` (str).

    Args:
        root_dir: the folder that holds the data; None for data that ships with a package.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform, which reads the image and scales it to [0, 1].
        seed: seed of this object's random state; the split does not depend on it.
        cache_dir: folder where images are stored that do not fit into memory, or that take long to decode; None stores
            only those that do not fit, in the user's cache folder.
        cache_options: ``cache_num``, ``cache_rate``, ``num_workers``, ``progress`` (MONAI's bar in place of ours),
            ``copy_cache``, ``as_contiguous``, ``runtime_cache``: see :py:class:`monai.data.CacheDataset`.

    Attributes:
        class_names: every class in label order, whether or not the section holds an image of it.
        provenance: ``name``, ``license``, ``citation``, ``files`` (name to checksum), ``official`` (whether the files
            have the checksums of the published ones), ``split`` (the rule, in words) and ``seed`` (of the split).
        notes: sentences for the user about what was recognized in the data.
        left_out: what lies with the data and is not read, with counts.
        unused_patients: columns or folders that may name patients and are not used.

    Raises:
        ValueError: if ``root_dir`` is not a directory, the section is unknown or empty, or there are fewer than two
            classes.
        TypeError: if ``transform`` is a text.
        RuntimeError: if the data is missing, or an image cannot be read; the message names the file.

    Example:
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> dataset = DigitsDataset("test")
        >>> isinstance(dataset, SectionDataset), dataset.get_num_classes()
        (True, 10)
    """

    class_names: tuple[str, ...]
    provenance: dict[str, Any]
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, int] = MappingProxyType({})
    unused_patients: tuple[str, ...] = ()

    def __init__(
        self,
        root_dir: str | PathLike[str] | None,
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        *,
        seed: int = 0,
        cache_dir: str | PathLike[str] | None = None,
        **cache_options: Any,
    ) -> None:
        if section not in SECTIONS:
            raise ValueError(f"Unsupported section: {section!r}, available options are {list(SECTIONS)}.")
        if isinstance(transform, str):
            raise TypeError(
                f"Expected a transform as the third argument, as in MONAI's datasets, got {transform!r}. Name it: "
                f"flag={transform!r}, file={transform!r}, table={transform!r} or name={transform!r}."
            )
        if root_dir is not None and not Path(root_dir).is_dir():
            raise ValueError(
                f"Root directory root_dir must be a directory, got {str(root_dir)!r}; create it or correct the path."
            )
        self.root_dir = Path() if root_dir is None else Path(root_dir)
        self.section = section
        self.cache_dir = cache_dir
        self.set_random_state(seed=seed)
        items = self._items(section)
        self._check(items)
        self.uses_default_transform = isinstance(transform, Sequence) and len(transform) == 0
        chosen = self._default_transform() if self.uses_default_transform else transform
        CacheDataset.__init__(self, data=items, transform=chosen, **{"progress": False, **cache_options})
        self._reader: tuple[Any, Any] = (self.transform, chosen) if self.uses_default_transform else (None, None)

    def get_num_classes(self) -> int:
        """The number of classes, including those without an image in this section."""
        return len(self.class_names)

    def randomize(self, data: np.ndarray[Any, Any]) -> None:
        """Shuffle ``data`` in place with this object's random state, as MONAI's datasets do."""
        self.R.shuffle(data)

    @abstractmethod
    def _items(self, section: str) -> list[dict[str, Any]]:
        """The items of a section before any transform; sets ``class_names`` and ``provenance``."""

    @abstractmethod
    def _default_transform(self) -> Callable[..., Any]:
        """Turns an item's ``image`` into a float32 tensor, channel first, in [0, 1]."""

    def _check_class_names(self) -> None:
        name = type(self).__name__
        if len(self.class_names) < 2:
            raise ValueError(f"{name} needs at least two classes, got {list(self.class_names)}; check the labels.")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"{name} expects distinct class names, got {list(self.class_names)}; rename the repeated.")

    def _check(self, items: Sequence[dict[str, Any]]) -> None:
        self._check_class_names()
        if len(items) == 0:
            raise ValueError(
                f"The section {self.section!r} of {type(self).__name__} is empty: expected at least one image, got "
                "none; check the split of the data, or add images."
            )

    def _fill_cache(self, indices: Sequence[int] | None = None) -> list[Any]:
        """MONAI's, with a bar that appears only where reading takes time."""
        if self.progress or self.cache_num <= 0:
            filled: list[Any] = super()._fill_cache(indices)
            return filled
        chosen = range(self.cache_num) if indices is None else indices
        with ThreadPool(self.num_workers) as pool:
            images = pool.imap(self._load_cache_item, chosen)
            return list(with_progress(images, len(chosen), f"reading {self.section} images"))

    def _load_cache_item(self, idx: int) -> Any:
        try:
            return super()._load_cache_item(idx)
        except Exception as error:
            raise self._named(error, idx) from error

    def _transform(self, index: int) -> Any:
        try:
            composed, read = self._reader
            if read is not None and composed is self.transform and self.cache_num == 0:
                return read(self.data[index])  # MONAI's Compose of this one takes as long as a small picture
            return super()._transform(index)
        except IndexError:
            # plain iteration over the dataset ends by an IndexError, which must stay one
            raise
        except Exception as error:
            raise self._named(error, index) from error

    def _named(self, error: Exception, index: int) -> Exception:
        # MONAI's Compose names only the transform that failed; the user needs the file and the first cause.
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        image = self.data[index].get("image")
        is_file = isinstance(image, (str, Path))
        source = f"image file {image}" if is_file else f"item {index}"
        advice = "; if the file may be damaged or of another kind, get or convert it again" if is_file else ""
        return RuntimeError(
            f"The transform of {type(self).__name__} failed on {source} (section {self.section!r}): "
            f"{type(cause).__name__}: {str(cause).rstrip('.')}{advice}"
        )
