"""PathMNIST: nine classes of colon tissue, the set of the README."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from .medmnist import MedMNISTDataset

__all__ = ["PathMNISTDataset"]


class PathMNISTDataset(MedMNISTDataset):
    """One section of PathMNIST (MedMNIST v2, Yang et al., 2023; Kather et al., PLOS Medicine, 2019).

    On disk: ``ROOT_DIR/pathmnist.npz`` (size 28), ``pathmnist_64.npz``, ``_128`` or ``_224``. Nine classes of
    haematoxylin and eosin stained tissue, 89996 / 10004 / 7180 RGB images ``[3, size, size]``; the test images come
    from another hospital. In memory the training section takes 850 MB as float32 at size 28.

    Args:
        root_dir: the folder of the file.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform; it is given ``image`` as a uint8 array ``[size, size, 3]``.
        download: get the file with the medmnist package if it is not there.
        size: 28, 64, 128 or 224.
        seed: seed of this object's own random state.
        cache_options: see :py:class:`monai.data.CacheDataset`.

    Raises:
        ValueError: see :class:`~monai_distill.data.datasets.medmnist.MedMNISTDataset`.
        RuntimeError: if the file is not there and ``download`` is False, or the download failed.

    Example:
        >>> dataset = PathMNISTDataset("data", "training", download=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        download: bool = False,
        *,
        size: int = 28,
        seed: int = 0,
        **cache_options: Any,
    ) -> None:
        given: dict[str, Any] = {"size": size, "transform": transform, "download": download, "seed": seed}
        super().__init__(root_dir, section, "pathmnist", **given, **cache_options)
