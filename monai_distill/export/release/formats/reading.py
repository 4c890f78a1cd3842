"""Read a released set from one of its formats."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monai_distill.data.synthetic_dataset import SyntheticDataset

from .nifti import read_nifti
from .npz import read_npz

__all__ = ["read_release"]

READERS: Mapping[str, Callable[[Path, Mapping[str, Any], Any], SyntheticDataset]] = {
    "npz": read_npz,
    "nifti": read_nifti,
}


def read_release(folder: str | Path, form: str = "safetensors") -> SyntheticDataset:
    """The set of a release folder, ready to train on: ``npz`` after rounding to 8 bits, ``nifti`` as float32.

    Args:
        folder: of the release.
        form: ``"safetensors"``, ``"npz"`` or ``"nifti"``.

    Raises:
        ValueError: for another form; PNG files are previews only.
        RuntimeError: if a file is missing or damaged.

    Example:
        >>> dataset = read_release("release", "npz")  # doctest: +SKIP
    """
    if form not in ("safetensors", *READERS):
        raise ValueError(f"Expected safetensors, {' or '.join(READERS)}, got {form!r}. PNG files are previews only.")
    exact = SyntheticDataset.load(folder)
    if form == "safetensors":
        return exact
    try:
        return READERS[form](Path(folder), exact.manifest, exact.preprocessing)
    except (OSError, KeyError, IndexError) as error:
        raise RuntimeError(f"Cannot read the {form} files of {folder}: {error}. Get the folder again.") from error
