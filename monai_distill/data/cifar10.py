"""CIFAR-10, for reproducing published curves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import torchvision

from monai_distill.data.array_to_image import ArrayToImaged
from monai_distill.data.section_dataset import SectionDataset
from monai_distill.data.splits import stratified_split

__all__ = ["CIFAR10Dataset"]


class CIFAR10Dataset(SectionDataset):
    """One section of CIFAR-10 (Krizhevsky, 2009), read by torchvision; for reproduction, not a medical set.

    On disk: ``ROOT_DIR/cifar-10-batches-py``; torchvision checks every file's md5 before it is opened. Images are
    ``[3, 32, 32]``. The test section is the published one; validation is split off the 50000 training images,
    stratified by class.

    Args:
        root_dir: the folder that holds ``cifar-10-batches-py``.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform; it is given ``image`` as a uint8 array ``[32, 32, 3]``.
        download: let torchvision get the files if they are not there.
        val_frac: the share of the training images that becomes validation.
        split_seed: the seed of that split.
        seed: seed of this object's own random state.
        cache_options: see :py:class:`monai.data.CacheDataset`.

    Raises:
        ValueError: if the section or the root folder is wrong.
        RuntimeError: if the files are not there, or not the published ones, and ``download`` is False.

    Example:
        >>> dataset = CIFAR10Dataset("data", "training", download=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        download: bool = False,
        *,
        val_frac: float = 0.1,
        split_seed: int = 0,
        seed: int = 0,
        **cache_options: Any,
    ) -> None:
        self._download = download
        self.val_frac = val_frac
        self.split_seed = split_seed
        super().__init__(root_dir, section, transform, seed=seed, **cache_options)

    def _items(self, section: str) -> list[dict[str, Any]]:
        try:
            source = torchvision.datasets.CIFAR10(str(self.root_dir), train=section != "test", download=self._download)
        except Exception as error:
            raise RuntimeError(
                f"Cannot find dataset directory: {self.root_dir / 'cifar-10-batches-py'} with the published files "
                f"({error}), please use download=True to download it."
            ) from error
        labels = [int(label) for label in source.targets]
        self.class_names = tuple(source.classes)
        # torchvision has just compared every file with these md5
        files = [*source.train_list, *source.test_list]
        self.provenance = {
            "name": "CIFAR-10, for reproduction",
            "licence": "none given; citation asked",
            "citation": "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            "files": {name: f"md5:{digest}" for name, digest in files},
            "official": True,
            "split": f"published test; validation is a stratified {self.val_frac:g} of the training images",
            "seed": self.split_seed,
        }
        indices = list(range(len(labels)))
        if section != "test":
            fractions = {"training": 1 - self.val_frac, "validation": self.val_frac}
            indices = stratified_split(labels, fractions, self.split_seed)[section].tolist()
        names = self.class_names
        return [{"image": source.data[i], "label": labels[i], "class_name": names[labels[i]]} for i in indices]

    def _default_transform(self) -> ArrayToImaged:
        return ArrayToImaged(channels_last=True)
