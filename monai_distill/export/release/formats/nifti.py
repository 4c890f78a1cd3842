"""The images as NIfTI files with a header of their own, and back."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from torch import Tensor

from monai_distill.data import SyntheticDataset
from monai_distill.runtime.atomic_file import atomic_write

__all__ = ["UNKNOWN", "read_nifti", "released_spacing", "write_nifti"]

UNKNOWN = "not known: the source does not tell it"


def released_spacing(
    manifest: Mapping[str, Any], given: Sequence[float] | None, *, needed: bool
) -> tuple[list[float] | None, str]:
    """Millimetres per axis, None when not known, and where they are from.

    A voxel of a synthetic image has a size only if that of the training images, as the networks saw them, was one and
    the same; it has no place in a patient.

    Args:
        manifest: of the run; ``source`` may have a ``spacing``.
        given: by the owner, who may know better than the files.
        needed: whether it will be written.

    Raises:
        ValueError: for volumes whose sources differ in spacing, when it is needed and not given: any number would be
            wrong.

    Example:
        >>> source = {"spacing": {"millimetres": [2.0, 1.0], "rule": "of the files"}}
        >>> released_spacing({"source": source}, None, needed=True)
        ([2.0, 1.0], 'of the files')
    """
    if given is not None:
        return [float(side) for side in given], "as the owner says"
    told = (manifest.get("source") or {}).get("spacing")
    if told is None:
        return None, UNKNOWN
    if told["millimetres"] is None and manifest.get("spatial_dims") == 3 and needed:
        raise ValueError(
            f"A voxel of this set has no size in millimetres: that of the training images {told['rule']} (after "
            "resizing). Run again with --pixdim [MM,MM,MM], which resamples them to one; or give --spacing MM,MM,MM; "
            "or leave nifti out of the formats."
        )
    known = told["millimetres"] is not None
    return told["millimetres"], told["rule"] if known else "not known: the images of the source differ in it"


NIFTI_DIR, LABEL_FILE, STAMP = "nifti", "labels.csv", "SYNTHETIC - NOT FOR DIAGNOSIS"


def write_nifti(synthetic: SyntheticDataset, folder: Path, spacing: Sequence[float] | None = None) -> None:
    """Write ``nifti/synthetic_0001.nii.gz`` and so on, in the order of ``labels.csv``.

    Values are float32 pixel values, not clipped. Axes: [H, W, 1] or [D, H, W], and a last axis of channels when there
    are several, as MONAI's readers take them. The header is made anew: nothing of a source image can be in it.

    Args:
        synthetic: the set.
        folder: of the release.
        spacing: millimetres per voxel and axis; 1 mm, which says nothing, when it is not known.

    Raises:
        ValueError: for a spacing of another length, or not above 0.
    """
    dims = synthetic.images.ndim - 2
    sides = [1.0] * dims if spacing is None else [float(side) for side in spacing]
    if len(sides) != dims or not all(0 < side < float("inf") for side in sides):
        raise ValueError(f"Expected a spacing of {dims} numbers above 0, got {spacing}.")
    affine = np.diag([*[*sides, 1.0][:3], 1.0])
    (folder / NIFTI_DIR).mkdir()
    for number, image in enumerate(synthetic.pixels().cpu(), start=1):
        values = _stored(image)
        made = nibabel.Nifti1Image(values, affine)
        made.header.set_xyzt_units("mm" if spacing is not None else "unknown")
        made.header["descrip"] = STAMP
        # no name and no time in the gzip header either
        atomic_write(folder / NIFTI_DIR / f"synthetic_{number:04d}.nii.gz", gzip.compress(made.to_bytes(), mtime=0))


def read_nifti(folder: Path, manifest: Mapping[str, Any], preprocessing: Any) -> SyntheticDataset:
    """The set as the NIfTI files and ``labels.csv`` hold it, with hard labels.

    Args:
        folder: of the release.
        manifest: of the release; learning rate and image shape are taken from it.
        preprocessing: of the release's ``synthetic.safetensors``.
    """
    channels = int(manifest["images"]["shape"][0])
    with (folder / LABEL_FILE).open(newline="") as file:
        labels = [int(row["label"]) for row in csv.DictReader(file)]
    images = []
    for number in range(1, len(labels) + 1):
        values = np.asarray(nibabel.load(folder / NIFTI_DIR / f"synthetic_{number:04d}.nii.gz").dataobj, np.float32)
        image = torch.from_numpy(values.copy())
        image = image.movedim(-1, 0) if channels > 1 else image[None]
        images.append(image.reshape(manifest["images"]["shape"]))
    pixels = torch.stack(images)
    return SyntheticDataset(
        pixels if preprocessing is None else preprocessing(pixels),
        torch.tensor(labels),
        manifest["class_names"],
        student_lr=float(manifest["student_lr"]),
        preprocessing=preprocessing,
        manifest=manifest,
    )


def _stored(image: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """[C, *spatial] as NIfTI axes: a 2D image gets a third axis, several channels come last."""
    image = image[..., None] if image.ndim == 3 else image
    image = image.movedim(0, -1) if image.shape[0] > 1 else image[0]
    return np.ascontiguousarray(image.numpy(), dtype=np.float32)
