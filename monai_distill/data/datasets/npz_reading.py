"""Reading one section of an ``.npz`` file in MedMNIST's format, with errors that name the file and the key."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .npz_arrays import fits_memory, handed_on, mapped_array
from .split_rule import SplitRule

__all__ = ["SectionArrays", "read_section"]

Array: TypeAlias = "np.ndarray[Any, Any]"

_PREFIX = {"training": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class SectionArrays:
    """The two arrays of a section and the facts that the file states about them.

    Attributes:
        images: uint8, or float in [0, 1]; ``[n, H, W]``, ``[n, H, W, C]``, ``[n, D, H, W]`` or ``[n, D, H, W, C]``.
        labels: int64 ``[n]``.
        num_classes: the highest label of any section, plus one.
        channels_last: whether the last axis of the images is a channel axis.
        split: the split rule, in words.
        rows: positions in ``images`` of the images of this section; None: all of them.
    """

    images: Array
    labels: Array
    num_classes: int
    channels_last: bool
    split: str
    rows: Array | None = None


def read_section(
    path: Path, section: str, split: SplitRule, cache_dir: str | PathLike[str] | None = None
) -> SectionArrays:
    """Read one section; only its two arrays, and the small label arrays of the others, are loaded.

    Keys: ``train_images, train_labels, val_images, val_labels, test_images, test_labels``. Where the ``val_`` pair is
    absent, a stratified share of the training part takes its place.

    Args:
        path: the file.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        split: ``val_frac`` is the share of the training part that becomes validation where the file has none.
        cache_dir: folder for images that do not fit into memory; None: the user's cache folder.

    Raises:
        ValueError: if the file is no npz or is truncated, lacks keys, or holds arrays of a wrong shape, type or range.

    Example:
        >>> import tempfile
        >>> images, labels = np.zeros((4, 8, 8), dtype=np.uint8), np.array([0, 0, 1, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     keys = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
        ...     np.savez(Path(folder) / "made.npz", **keys)
        ...     read_section(Path(folder) / "made.npz", "test", SplitRule()).num_classes
        2
    """
    # a zip ends with its directory, so a file that was cut short fails this test as well as one that is no zip
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is not an .npz archive, or it is cut short: expected a zip file with {_key_list()}; "
            "delete it and get it again."
        )
    with np.load(path, allow_pickle=False) as archive:
        has_val = _check_keys(path, archive.files)
        stored = ("training", "validation", "test") if has_val else ("training", "test")
        labels = {name: _labels(path, archive, f"{_PREFIX[name]}_labels") for name in stored}
        source = section if section in stored else "training"
        key = f"{_PREFIX[source]}_images"
        if fits_memory(path):
            images = handed_on(path, f"{key} for {section}", lambda: _read(path, archive, key))
        else:
            images = mapped_array(path, key, cache_dir)
    where = f"{_PREFIX[source]}_images of {path}"
    channels_last = _check_images(images, len(labels[source]), where)
    chosen = labels[source]
    rule, rows = "as stored in the file", None
    if not has_val:
        fractions, share = split.validation_share()
        rule += f"; validation is {share} of the training part (the file has no val_ keys)"
        if source == "training":
            rows = split.of_arrays(images, chosen.tolist(), fractions)[section]
            chosen = chosen[rows]
    _require_labels_from_0(path, labels)
    num_classes = 1 + max((int(part.max()) for part in labels.values() if len(part)), default=-1)
    return SectionArrays(images, chosen, num_classes, channels_last, rule, rows)


def _require_labels_from_0(path: Path, labels: Mapping[str, Array]) -> None:
    stored = [part for part in labels.values() if len(part)]
    lowest = min((int(part.min()) for part in stored), default=0)
    if lowest > 0:
        highest = max(int(part.max()) for part in stored)
        raise ValueError(
            f"The labels of {path} run from {lowest} to {highest}, expected from 0; save labels - {lowest}, or add the "
            "images of the classes below."
        )


def _key_list() -> str:
    return "the keys " + ", ".join(f"{prefix}_{what}" for prefix in _PREFIX.values() for what in ("images", "labels"))


def _check_keys(path: Path, files: Sequence[str]) -> bool:
    needed = [f"{prefix}_{what}" for prefix in ("train", "test") for what in ("images", "labels")]
    val = [key for key in ("val_images", "val_labels") if key in files]
    if len(val) == 1:
        needed += ["val_images", "val_labels"]
    missing = [key for key in needed if key not in files]
    if missing:
        raise ValueError(
            f"{path} lacks the keys {missing}: expected {_key_list()} (the val_ pair may be left out), "
            f"got {list(files)}; rename or add them."
        )
    return bool(val)


def _read(path: Path, archive: Any, key: str) -> Array:
    try:
        return np.asarray(archive[key])
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"cannot read {key} of {path}: {error}; expected a plain numeric array. The file may be damaged, or hold "
            "Python objects, which are refused: get it again, or save it with numeric arrays."
        ) from error


def _labels(path: Path, archive: Any, key: str) -> Array:
    labels = _read(path, archive, key)
    where = f"{key} of {path}"
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"{where} has shape {labels.shape}: multi-label data is not supported, expected one class per image, "
            "shape [n] or [n, 1]; choose one label column."
        )
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iufb":
        raise ValueError(f"{where}: expected numbers of shape [n] or [n, 1], got {labels.dtype} of {labels.shape}.")
    flat = labels.reshape(-1).astype(np.int64) if labels.dtype.kind == "b" else labels.reshape(-1)
    # written so that NaN fails as well
    wrong = np.flatnonzero(~((flat >= 0) & (flat == np.floor(flat))))
    if len(wrong):
        shown = ", ".join(f"{flat[i]} at {i}" for i in wrong[:5])
        raise ValueError(
            f"{where}: expected whole numbers from 0, got {len(wrong)} other value(s): {shown}; renumber the classes."
        )
    return flat.astype(np.int64)


def _check_images(images: Array, count: int, where: str) -> bool:
    if len(images.shape) == 0 or len(images) != count:
        raise ValueError(f"{where}: expected one image per label, got shape {images.shape} and {count} labels.")
    has_channels = images.shape[-1] in (1, 3) and images.ndim in (4, 5)
    if images.ndim in (4, 5) and images.shape[1] in (1, 3) and not has_channels:
        raise ValueError(
            f"{where}: expected channels last, [n, H, W, C] or [n, D, H, W, C], got {images.shape}, which has them "
            "first; save np.moveaxis(images, 1, -1), or images[..., None] for volumes of 1 or 3 slices."
        )
    if images.ndim not in (3, 4) and not (images.ndim == 5 and has_channels):
        raise ValueError(
            f"{where}: expected shape [n, H, W], [n, H, W, 1 or 3], [n, D, H, W] or [n, D, H, W, 1 or 3], "
            f"got {images.shape}."
        )
    if images.dtype == np.uint8:
        return has_channels
    if images.dtype.kind != "f":
        raise ValueError(f"{where}: expected uint8, or floats in [0, 1], got {images.dtype}; rescale the images.")
    # written so that NaN fails as well
    low, high = _range(images)
    if images.size and not (low >= 0 and high <= 1):
        got = f"{low} to {high}"
        raise ValueError(f"{where}: expected floats in [0, 1], got {got}; rescale the images.")
    return has_channels


def _range(images: Array) -> tuple[float, float]:
    """Least and largest value; NaN where there is one. One image at a time, as the array may not fit into memory."""
    extremes = np.array([(image.min(), image.max()) for image in images if image.size], dtype=np.float64)
    return (float(extremes[:, 0].min()), float(extremes[:, 1].max())) if len(extremes) else (0.0, 0.0)
