"""Any ``.npz`` file in MedMNIST's format, 2D or 3D."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_distill.data.prepared_images import PreparedImages
from monai_distill.data.reading.array_to_image import ArrayToImaged
from monai_distill.data.reading.fitting import axis_sizes, inner_sizes
from monai_distill.runtime.checksums import file_checksum
from monai_distill.runtime.validation import listed_names

from .npz_reading import SectionArrays, read_section
from .resized_arrays import resized_images
from .section_dataset import DataSource, SectionDataset
from .split_rule import SplitRule

__all__ = ["NPZDataset"]


class NPZDataset(SectionDataset):
    """One section of a local ``.npz`` file in the format of MedMNIST v2 (Yang et al., Scientific Data, 2023).

    On disk: ``ROOT_DIR/FILE`` with the keys ``train_images, train_labels, val_images, val_labels, test_images,
    test_labels``; the ``val_`` pair may be left out, then validation is a stratified share of the training part.
    Images are uint8 or floats in [0, 1], shaped ``[n, H, W]``, ``[n, H, W, 1 or 3]``, ``[n, D, H, W]`` or
    ``[n, D, H, W, 1 or 3]``; labels are whole numbers from 0, shaped ``[n]`` or ``[n, 1]``.
    Only the section's own two arrays are loaded, as bytes. They are memory-mapped where the file is larger than a
    quarter of the machine's memory. With ``image_size`` each image is resized once, to float32.

    Args:
        root_dir: the folder of the file.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform; it receives ``image`` as stored, ``[H, W]``, ``[H, W, C]``, ....
        file: the name of the file in ``root_dir``.
        class_names: in label order; ``"class 0"``, ``"class 1"``, ... unless given.
        split: ``val_frac`` and ``seed`` of the validation part, where the file has none.
        source: name, license and citation, for the provenance.
        image_size: the spatial size to resize the images to, a number for all axes or one per axis; None leaves them.
        options: ``seed``, ``cache_dir`` and the cache options of :class:`SectionDataset`.

    Raises:
        ValueError: if the file is damaged, lacks keys, is multi-label, or has arrays of a wrong shape, type or range;
            for an ``image_size`` with another number of axes than the images.
        RuntimeError: if the file is missing.

    Example:
        >>> dataset = NPZDataset("data", "training", file="blood.npz")  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        *,
        file: str,
        class_names: Sequence[str] | None = None,
        split: SplitRule | None = None,
        source: DataSource | None = None,
        image_size: int | Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        self.image_size = image_size
        self.file = file
        self.split = split or SplitRule(val_frac=0.1)
        self._given_names = None if class_names is None else listed_names(class_names)
        self._source = source or DataSource()
        self._channels_last = False
        super().__init__(root_dir, section, transform, **options)

    def _items(self, section: str) -> list[dict[str, Any]]:
        path = self.root_dir / self.file
        if not path.is_file():
            raise RuntimeError(f"Cannot find dataset file: {path}; place it there or correct root_dir or file.")
        arrays = read_section(path, section, self.split, self.cache_dir)
        self.class_names = self._names(arrays, path)
        self._channels_last = arrays.channels_last
        stored = arrays.images.shape[1 : -1 if arrays.channels_last else None]
        sizes = axis_sizes(self.image_size, stored)
        if sizes != stored:
            old, new = (" x ".join(map(str, sides)) for sides in (stored, sizes))
            proportions = "" if inner_sizes(stored, sizes, "pad") == sizes else ", which changes their proportions"
            self.notes = (f"the images are resized from {old} to {new} pixels{proportions}",)
        self.provenance = {
            **self._source.to_dict(self.file),
            "files": {path.name: self._checksum(path)},
            "official": self._is_official(path),
            "split": arrays.split,
            "seed": self.split.seed if "; validation is" in arrays.split else None,
        }
        self._check_arrays(arrays, path)
        self._arrays = arrays
        labels = arrays.labels.tolist()
        return [
            {"image": arrays.images[row], "label": label, "class_name": self.class_names[label]}
            for row, label in zip(range(len(labels)) if arrays.rows is None else arrays.rows, labels, strict=True)
        ]

    def stored_images(self) -> PreparedImages | None:
        """All images as one array, for whoever needs no items; None with a transform of one's own."""
        if not self.uses_default_transform:
            return None
        rows = None if self._arrays.rows is None else torch.from_numpy(self._arrays.rows)
        (checksum,) = self.provenance["files"].values()
        source = f"{checksum} {self.section}"
        axis = -1 if self._channels_last else None
        images = PreparedImages(self._arrays.images, channel_axis=axis, rows=rows, source=source)
        if self.image_size is None:
            return images
        sizes = axis_sizes(self.image_size, images.shape[2:])
        return resized_images(images, sizes, self.cache_dir)

    def _default_transform(self) -> ArrayToImaged:
        return ArrayToImaged(channels_last=self._channels_last, image_size=self.image_size)

    def _names(self, arrays: SectionArrays, path: Path) -> tuple[str, ...]:
        if self._given_names is None:
            return tuple(f"class {label}" for label in range(arrays.num_classes))
        if arrays.num_classes > len(self._given_names):
            wrong = np.flatnonzero(arrays.labels >= len(self._given_names))[:5].tolist()
            raise ValueError(
                f"{path} holds the label {arrays.num_classes - 1}, expected labels 0 to {len(self._given_names) - 1} "
                f"for the {len(self._given_names)} class names {list(self._given_names)} (in this section at {wrong}); "
                "give every class a name or renumber the labels."
            )
        return self._given_names

    def _is_official(self, path: Path) -> bool:
        return False

    def _checksum(self, path: Path) -> str:
        return f"sha256:{file_checksum(path)}"

    def _check_arrays(self, arrays: SectionArrays, path: Path) -> None:
        """For subclasses that know more about the file than its format."""
