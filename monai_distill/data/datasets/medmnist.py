"""Every single-label set of MedMNIST v2, 2D and 3D, at every published size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import medmnist

from monai_distill.runtime.checksums import file_checksum

from .npz import NPZDataset
from .npz_reading import SectionArrays
from .section_dataset import DataSource

__all__ = ["MedMNISTDataset"]

_CITATION = (
    "Yang et al., MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D biomedical image classification, "
    "Scientific Data 10, 41, 2023; and the source of the set, see https://medmnist.com"
)
# three sections of one file are opened in one process: warn about the file once
_warned: set[tuple[str, int, str]] = set()


class MedMNISTDataset(NPZDataset):
    """One section of a MedMNIST v2 set (Yang et al., Scientific Data, 2023).

    On disk: ``ROOT_DIR/FLAG.npz`` for size 28, ``ROOT_DIR/FLAG_64.npz`` and so on for the others. A file on disk is
    used without a download; one that is not the published file, by its md5, is used with a warning and
    ``provenance["official"]`` is False. Images are ``[C, H, W]`` or, for the 3D sets, ``[1, D, H, W]``.

    Args:
        root_dir: the folder of the file.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform; it receives ``image`` as stored, ``[H, W]``, ``[H, W, C]``, ....
        download: get the file with the medmnist package if it is missing; its md5 is checked.
        flag: a key of ``medmnist.INFO``, such as ``"pathmnist"`` or ``"organmnist3d"``.
        size: pixels or voxels a side: 28, 64, 128 or 224; for the 3D sets 28 or 64.
        options: ``seed`` and the cache options of :class:`SectionDataset`.

    Raises:
        ValueError: for an unknown flag or size, a multi-label set, or a file that is damaged or of another shape.
        RuntimeError: if the file is missing and ``download`` is False, or the download failed or is damaged.

    Example:
        >>> dataset = MedMNISTDataset("data", "training", download=True, flag="bloodmnist")  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        download: bool = False,
        *,
        flag: str,
        size: int = 28,
        **options: Any,
    ) -> None:
        info = _info(flag, size)
        suffix = "" if size == 28 else f"_{size}"
        self.flag = flag
        self.size = size
        self.is_3d = flag.endswith("3d")
        self.md5: str = info[f"MD5{suffix}"]
        self.resource: str = info[f"url{suffix}"]
        self._download = download
        self._info = info
        super().__init__(
            root_dir,
            section,
            transform,
            file=f"{flag}{suffix}.npz",
            class_names=[info["label"][str(label)] for label in range(len(info["label"]))],
            source=DataSource(f"{info['python_class']} (MedMNIST v2), size {size}", info["license"], _CITATION),
            **options,
        )

    def _items(self, section: str) -> list[dict[str, Any]]:
        path = self.root_dir / self.file
        if not path.is_file():
            if not self._download:
                raise RuntimeError(
                    f"Cannot find dataset file: {path}, please use download=True (--download true) to download it, "
                    f"or place the file from {self.resource} there."
                )
            self._fetch(path)
        items = super()._items(section)
        official = self._is_official(path)
        self.provenance["split"] = ("official MedMNIST v2 split, " if official else "") + self.provenance["split"]
        if not official:
            _warn_once(
                path,
                f"{path} is not the published {self.file}: expected md5 {self.md5}, got {file_checksum(path, 'md5')}. "
                "It is used unchanged; scores on it must not be reported as scores on the published set. "
                "Delete it and pass download=True (--download true) for the published file.",
            )
        if "ordinal" in self._info["task"]:
            _warn_once(path, f"{self.flag} has graded labels (ordinal regression): used as plain classes, unordered.")
        return items

    def _is_official(self, path: Path) -> bool:
        return file_checksum(path, "md5") == self.md5

    def _checksum(self, path: Path) -> str:
        return f"md5:{self.md5}" if self._is_official(path) else f"sha256:{file_checksum(path)}"

    def _check_arrays(self, arrays: SectionArrays, path: Path) -> None:
        shape = (self.size,) * (3 if self.is_3d else 2) + ((3,) if self._info["n_channels"] == 3 else ())
        if arrays.images.shape[1:] != shape:
            raise ValueError(
                f"{path} holds images of shape {arrays.images.shape[1:]}, expected {shape} for {self.flag} at size "
                f"{self.size}; for your own set use NPZDataset."
            )

    def _fetch(self, path: Path) -> None:
        dataset_class = getattr(medmnist, self._info["python_class"])
        try:
            dataset_class(split="test", download=True, root=str(self.root_dir), size=self.size)
        except Exception as error:
            if not path.is_file():
                raise RuntimeError(
                    f"Cannot download {path.name} from {self.resource}; "
                    f"check the network, or place the file at {path} by hand."
                ) from error
        received = file_checksum(path, "md5") if path.is_file() else "no file"
        if received != self.md5:
            bad = path.with_name(path.name + ".bad")
            if path.is_file():
                path.replace(bad)
            raise RuntimeError(
                f"The download of {path.name} is damaged: expected md5 {self.md5}, got {received}. "
                f"Delete {bad} and download again."
            )


def _info(flag: str, size: int) -> dict[str, Any]:
    if flag not in medmnist.INFO:
        raise ValueError(f"Unknown MedMNIST flag {flag!r}, available options are {sorted(medmnist.INFO)}.")
    info: dict[str, Any] = medmnist.INFO[flag]
    if "multi-label" in info["task"]:
        raise ValueError(
            f"{flag} is multi-label ({info['task']}), which is not supported: expected one class per image. "
            "Every other MedMNIST flag is; for one finding against the rest write an .npz and use NPZDataset."
        )
    sizes = [28, 64] if flag.endswith("3d") else [28, 64, 128, 224]
    if size not in sizes:
        raise ValueError(f"Unsupported size {size!r} of {flag}, available options are {sizes}.")
    return info


def _warn_once(path: Path, text: str) -> None:
    key = (str(path.resolve()), path.stat().st_mtime_ns, text)
    if key not in _warned:
        _warned.add(key)
        warnings.warn(text, stacklevel=2)
