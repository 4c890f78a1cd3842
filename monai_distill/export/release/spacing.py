"""The millimetres of a voxel in the released NIfTI files: the owner's word, the source's, or none."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["UNKNOWN", "released_spacing"]

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
