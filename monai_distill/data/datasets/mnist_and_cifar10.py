"""MNIST, for reproducing published curves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import torchvision

from monai_distill.data.reading import ArrayToImaged
from monai_distill.runtime.checksums import file_checksum

from .section_dataset import SectionDataset
from .splits import stratified_split

__all__ = ["CIFAR10Dataset", "MNISTDataset"]


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
            "license": "none given; citation asked",
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


# sha256 of the unpacked files as published
_PUBLISHED = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class MNISTDataset(SectionDataset):
    """One section of MNIST (LeCun et al., 1998), read by torchvision; for reproduction, not a medical set.

    On disk: ``ROOT_DIR/MNIST/raw/train-images-idx3-ubyte`` and the other three unpacked files. Images are
    ``[1, 28, 28]``. The test section is the published one; validation is split off the 60000 training images,
    stratified by class.

    Args:
        root_dir: the folder that holds ``MNIST/raw``.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform; it is given ``image`` as a uint8 array ``[28, 28]``.
        download: let torchvision get the files if they are not there.
        val_frac: the share of the training images that becomes validation.
        split_seed: the seed of that split.
        seed: seed of this object's own random state.
        cache_options: see :py:class:`monai.data.CacheDataset`.

    Raises:
        ValueError: if the section or the root folder is wrong.
        RuntimeError: if the files are not there and ``download`` is False, or cannot be read.

    Example:
        >>> dataset = MNISTDataset("data", "training", download=True)  # doctest: +SKIP
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
        raw = self.root_dir / "MNIST" / "raw"
        try:
            source = torchvision.datasets.MNIST(str(self.root_dir), train=section != "test", download=self._download)
        except Exception as error:
            if not raw.is_dir():
                raise RuntimeError(
                    f"Cannot find dataset directory: {raw}, please use download=True to download it, "
                    f"or unpack the four files {list(_PUBLISHED)} there."
                ) from error
            raise RuntimeError(
                f"Cannot read MNIST in {raw}: {error}; expected the unpacked files {list(_PUBLISHED)}. "
                "Delete the folder and use download=True, or unpack them again."
            ) from error
        images, labels = source.data.numpy(), source.targets.tolist()
        if len(images) != len(labels):
            raise RuntimeError(
                f"{raw}: expected one label per image, got {len(labels)} and {len(images)}; get it again."
            )
        self.class_names = tuple(str(digit) for digit in range(10))
        found = {name: file_checksum(raw / name) for name in _PUBLISHED if (raw / name).is_file()}
        self.provenance = {
            "name": "MNIST, for reproduction",
            "license": "CC BY-SA 3.0 (as widely given)",
            "citation": "LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86, 1998",
            "files": {name: f"sha256:{digest}" for name, digest in found.items()},
            "official": found == _PUBLISHED,
            "split": f"published test; validation is a stratified {self.val_frac:g} of the training images",
            "seed": self.split_seed,
        }
        indices = list(range(len(labels)))
        if section != "test":
            fractions = {"training": 1 - self.val_frac, "validation": self.val_frac}
            indices = stratified_split(labels, fractions, self.split_seed)[section].tolist()
        return [{"image": images[i], "label": labels[i], "class_name": self.class_names[labels[i]]} for i in indices]

    def _default_transform(self) -> ArrayToImaged:
        return ArrayToImaged(channels_last=False)
