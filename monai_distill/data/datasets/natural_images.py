"""MNIST and CIFAR-10, for reproducing published figures."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias
from urllib.request import urlopen

import numpy as np

from monai_distill.data.reading.array_to_image import ArrayToImaged
from monai_distill.runtime.checksums import file_checksum

from .section_dataset import SectionDataset
from .split_rule import SplitRule

__all__ = ["NaturalImageDataset"]

Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True)
class _Published:
    folder: str
    files: Mapping[str, str]  # checksum of every file
    algorithm: str
    archives: Mapping[str, str]  # URL to md5
    class_names: tuple[str, ...]
    source: Mapping[str, str]


_MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
PUBLISHED = {
    "mnist": _Published(
        folder="MNIST/raw",
        files={
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
        algorithm="sha256",
        archives={
            f"{_MNIST_URL}train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            f"{_MNIST_URL}train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            f"{_MNIST_URL}t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            f"{_MNIST_URL}t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        class_names=tuple("0123456789"),
        source={
            "name": "MNIST, for reproduction",
            "license": "CC BY-SA 3.0 (as widely given)",
            "citation": "LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86, 1998",
        },
    ),
    "cifar10": _Published(
        folder="cifar-10-batches-py",
        files={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
        },
        algorithm="md5",
        archives={"https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
        class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        source={
            "name": "CIFAR-10, for reproduction",
            "license": "none stated; the authors request a citation",
            "citation": "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        },
    ),
}


class NaturalImageDataset(SectionDataset):
    """One section of MNIST (LeCun et al., 1998) or CIFAR-10 (Krizhevsky, 2009); for reproduction, not medical sets.

    On disk: ``ROOT_DIR/MNIST/raw`` with the four unpacked files, or ``ROOT_DIR/cifar-10-batches-py`` with the six
    batches. Images are ``[1, 28, 28]`` and ``[3, 32, 32]``. The test section is the published one; validation is split
    off the training images. Files of CIFAR-10 are pickles, so only the published ones, checked by
    md5, are opened; of MNIST other files are read too and ``provenance["official"]`` is False.

    Args:
        root_dir: the folder that holds ``MNIST`` or ``cifar-10-batches-py``.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform; it receives ``image`` as stored, a uint8 array ``[28, 28]`` or
            ``[32, 32, 3]``.
        download: get the files if they are missing; the archives' md5 is checked.
        name: ``"mnist"`` or ``"cifar10"``.
        split: ``val_frac`` and ``seed`` of the validation part.
        options: ``seed`` and the cache options of :class:`SectionDataset`.

    Raises:
        ValueError: if the name, the section or the root folder is wrong.
        RuntimeError: if files are missing and ``download`` is False, are damaged or, for CIFAR-10, not the published.

    Example:
        >>> dataset = NaturalImageDataset("data", "training", download=True, name="mnist")  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        download: bool = False,
        *,
        name: str,
        split: SplitRule | None = None,
        **options: Any,
    ) -> None:
        if name not in PUBLISHED:
            raise ValueError(f"Unknown name {name!r}, available options are {sorted(PUBLISHED)}.")
        self.name = name
        self.split = split or SplitRule(val_frac=0.1)
        self._download = download
        super().__init__(root_dir, section, transform, **options)

    def _items(self, section: str) -> list[dict[str, Any]]:
        published = PUBLISHED[self.name]
        folder = self.root_dir / published.folder
        if not all((folder / file).is_file() for file in published.files):
            self._get(folder, published)
        checksums = {file: file_checksum(folder / file, published.algorithm) for file in published.files}
        images, labels = (_mnist if self.name == "mnist" else _cifar10)(folder, section == "test", checksums)
        self.class_names = published.class_names
        fractions, share = self.split.validation_share()
        self.provenance = {
            **published.source,
            "files": {file: f"{published.algorithm}:{digest}" for file, digest in checksums.items()},
            "official": checksums == published.files,
            "split": f"published test; validation is {share} of the training images",
            "seed": self.split.seed,
        }
        positions = np.arange(len(labels))
        if section != "test":
            positions = self.split.of_arrays(images, labels.tolist(), fractions)[section]
        return [
            {"image": images[i], "label": int(labels[i]), "class_name": self.class_names[labels[i]]} for i in positions
        ]

    def _default_transform(self) -> ArrayToImaged:
        return ArrayToImaged(channels_last=self.name == "cifar10")

    def _get(self, folder: Path, published: _Published) -> None:
        if not self._download:
            raise RuntimeError(
                f"Cannot find dataset directory: {folder} with the files {list(published.files)}, please use "
                "download=True (--download true) to download them, or unpack them there."
            )
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for url, md5 in published.archives.items():
                _download(url, md5, folder)
        except Exception as error:
            raise RuntimeError(
                f"Cannot download {published.source['name']}: {error}; check the network, or place the files "
                f"{list(published.files)} in {folder} by hand."
            ) from error


def _download(url: str, md5: str, folder: Path) -> None:
    """Get one archive and unpack it: a ``.tar.gz`` next to ``folder``, whose name it holds, a ``.gz`` into it."""
    with urlopen(url, timeout=60) as opened:
        content = opened.read()
    received = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if received != md5:
        raise RuntimeError(f"{url} has the md5 {received}, expected {md5}")
    name = url.rpartition("/")[2]
    if name.endswith(".tar.gz"):
        # Python before 3.11.4 (Debian 12 has 3.11.2) knows no filter; the content is the published one either way
        filters: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(folder.parent, **filters)
    else:
        (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))


def _mnist(folder: Path, test: bool, checksums: Mapping[str, str]) -> tuple[Array, Array]:
    part = "t10k" if test else "train"
    images, labels = _idx(folder / f"{part}-images-idx3-ubyte", 3), _idx(folder / f"{part}-labels-idx1-ubyte", 1)
    if len(images) != len(labels) or images.shape[1:] != (28, 28) or int(labels.max(initial=0)) > 9:
        raise RuntimeError(
            f"{folder}: expected one label from 0 to 9 per image of 28x28, got {len(labels)} labels and images "
            f"{images.shape}; get the files again."
        )
    return images, labels


def _idx(path: Path, axes: int) -> Array:
    """The bytes of a file in the IDX format: a type, the number of axes, their lengths, the values."""
    content = path.read_bytes()
    start = 4 + 4 * axes
    lengths = np.frombuffer(content[4:start], ">u4").astype(int) if len(content) >= start else np.array([-1])
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) != start + int(np.prod(lengths)):
        raise RuntimeError(
            f"Cannot read MNIST in {path.parent}: {path.name} is damaged or packed, expected the unpacked files "
            f"{list(PUBLISHED['mnist'].files)}. Delete the folder and use download=True, or unpack them again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(lengths).copy()  # writable, for torch


def _cifar10(folder: Path, test: bool, checksums: Mapping[str, str]) -> tuple[Array, Array]:
    wrong = [file for file, md5 in PUBLISHED["cifar10"].files.items() if checksums[file] != md5]
    if wrong:  # a pickle of unknown origin can run any program
        raise RuntimeError(
            f"{folder} holds other files than the published {wrong}, expected their md5; delete them and use "
            "download=True (--download true), or unpack them again."
        )
    files = [file for file in PUBLISHED["cifar10"].files if file.startswith("test") == test]
    batches = [pickle.loads((folder / file).read_bytes(), encoding="latin1") for file in files]
    images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.concatenate([np.asarray(batch["labels"]) for batch in batches])
