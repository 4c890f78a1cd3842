"""Made volumes with a task in them: which shape lies in the middle, under noise?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from pydicom.uid import generate_uid

from tests.data.conftest import write_dicom

SHAPES = ("ball", "cross", "shell")


def shaped(shape: str, side: int, noise: float, seed: int) -> np.ndarray:
    """A cube with a bright shape, up to one voxel off the middle, under noise."""
    generator = np.random.RandomState(seed)
    middle = (side - 1) / 2 + generator.randint(-1, 2, 3)
    distance = np.abs(np.indices((side,) * 3) - middle.reshape(3, 1, 1, 1)) / side
    radius = np.sqrt((distance**2).sum(axis=0))
    inside = {
        "ball": radius < 0.25,
        "cross": np.sort(distance, axis=0)[1] < 0.1,
        "shell": (radius > 0.3) & (radius < 0.42),
    }[shape]
    return (inside + noise * generator.randn(side, side, side)).astype(np.float32)


def write_series(
    folder: Path, volume: np.ndarray, spacing: tuple[float, float, float], directions: tuple[float, ...], **tags: object
) -> Path:
    """One DICOM file a slice (the last axis), named and numbered against their order in space."""
    folder.mkdir(parents=True)
    normal, series = np.cross(directions[:3], directions[3:]), generate_uid()
    for number in range(volume.shape[2]):
        place = {"ImagePositionPatient": (normal * spacing[2] * number + [3, -2, 7]).tolist()}
        place |= {"ImageOrientationPatient": list(directions), "PixelSpacing": list(spacing[:2])}
        name = f"IM{volume.shape[2] - number:04d}"  # no suffix, as scanners write them
        write_dicom(folder / name, volume[..., number], SeriesInstanceUID=series, **{**place, **tags})
    return folder


def write_shaped_volumes(root: Path, patients: int, side: int = 10, noise: float = 0.8) -> Path:
    """NIfTI files below ``root`` and ``scans.csv``, which lists them with label and patient, three volumes each."""
    root.mkdir(parents=True)
    lines = ["image,label,patient"]
    for number in range(3 * patients):
        name, shape = f"scan_{number:03d}.nii.gz", SHAPES[number % 3]
        nibabel.save(nibabel.Nifti1Image(shaped(shape, side, noise, number), np.diag([2.0, 1, 1, 1])), root / name)
        lines.append(f"{name},{shape},p{number // 3:03d}")
    (root / "scans.csv").write_text("\n".join(lines) + "\n")
    return root
