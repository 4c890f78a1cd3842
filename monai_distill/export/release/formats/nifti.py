"""The images as NIfTI files with a new header, and back."""

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

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.atomic_file import atomic_write

__all__ = ["UNKNOWN", "read_nifti", "released_spacing", "write_nifti"]

UNKNOWN = "not known, because the source does not give it"


def released_spacing(
    manifest: Mapping[str, Any], given: Sequence[float] | None, *, needed: bool
) -> tuple[list[float] | None, str]:
    """Millimeters per axis (None if unknown) and their origin.

    A voxel of a synthetic image has a size only if all training images had the same size, as the networks saw them. It
    has no position in a patient.

    Args:
        manifest: of the run; ``source`` may have a ``spacing``.
        given: by the owner; overrides the files.
        needed: whether the spacing will be written.

    Raises:
        ValueError: if it is needed, not given, and the source volumes differ in spacing: any number would be wrong.

    Example:
        >>> source = {"spacing": {"millimeters": [2.0, 1.0], "rule": "of the files"}}
        >>> released_spacing({"source": source}, None, needed=True)
        ([2.0, 1.0], 'of the files')
    """
    if given is not None:
        return [float(side) for side in given], "as stated by the owner"
    spacing = (manifest.get("source") or {}).get("spacing")
    if spacing is None:
        return None, UNKNOWN
    if spacing["millimeters"] is None and manifest.get("spatial_dims") == 3 and needed:
        raise ValueError(
            f"Expected one voxel size for NIfTI, got training images whose spacing {spacing['rule']} (after "
            "resizing). Run again with --pixdim [MM,MM,MM] to resample them, give --spacing MM,MM,MM, or leave nifti "
            "out of --formats."
        )
    known = spacing["millimeters"] is not None
    return spacing["millimeters"], spacing[
        "rule"
    ] if known else "not known, because the images of the source differ in it"


NIFTI_DIR, LABEL_FILE, STAMP = "nifti", "labels.csv", "SYNTHETIC - NOT FOR DIAGNOSIS"


def write_nifti(synthetic: SyntheticDataset, folder: Path, spacing: Sequence[float] | None = None) -> None:
    """Write ``nifti/synthetic_0001.nii.gz`` and so on, in the order of ``labels.csv``.

    Values are float32 pixel values, not clipped. Axes: [H, W, 1] or [D, H, W], and a last axis for several channels, as
    MONAI's readers expect them. The header is new and has nothing of a source image.

    Args:
        synthetic: the set.
        folder: of the release.
        spacing: millimeters per voxel and axis; None writes 1 with an unknown unit.

    Raises:
        ValueError: if the spacing has another length or is not above 0.
    """
    dims = synthetic.images.ndim - 2
    sides = [1.0] * dims if spacing is None else [float(side) for side in spacing]
    if len(sides) != dims or not all(0 < side < float("inf") for side in sides):
        raise ValueError(f"Expected a spacing of {dims} numbers above 0, got {spacing}.")
    affine = np.diag([*[*sides, 1.0][:3], 1.0])
    (folder / NIFTI_DIR).mkdir()
    for number, image in enumerate(synthetic.pixels().cpu(), start=1):
        values = _stored(image)
        nifti = nibabel.Nifti1Image(values, affine)
        nifti.header.set_xyzt_units("mm" if spacing is not None else "unknown")
        nifti.header["descrip"] = STAMP
        # no name and no time in the gzip header
        atomic_write(folder / NIFTI_DIR / f"synthetic_{number:04d}.nii.gz", gzip.compress(nifti.to_bytes(), mtime=0))


def read_nifti(folder: Path, manifest: Mapping[str, Any], preprocessing: Any) -> SyntheticDataset:
    """Read the set from the NIfTI files and ``labels.csv``, with hard labels.

    Args:
        folder: of the release.
        manifest: of the release; gives learning rate and image shape.
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
    """[C, *spatial] with NIfTI axes: a 2D image gets a third axis, several channels come last."""
    image = image[..., None] if image.ndim == 3 else image
    image = image.movedim(0, -1) if image.shape[0] > 1 else image[0]
    return np.ascontiguousarray(image.numpy(), dtype=np.float32)
