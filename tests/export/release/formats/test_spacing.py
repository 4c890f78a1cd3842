"""The size of a voxel in a release."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from monai_distill.export.release.formats.nifti import UNKNOWN, released_spacing

DIFFERS = {"millimeters": None, "rule": "differs: 0.5 x 1 x 1 to 2 x 1 x 1 mm"}


def manifest(spacing: dict[str, Any] | None, dims: int = 3) -> dict[str, Any]:
    return {"spatial_dims": dims, "source": {} if spacing is None else {"spacing": spacing}}


def test_the_owner_knows_better_than_the_files_and_these_better_than_nobody() -> None:
    stated = {"millimeters": [2.0, 1.0, 1.0], "rule": "of the files"}
    assert released_spacing(manifest(stated), (1, 2, 3), needed=True) == ([1, 2, 3], "as stated by the owner")
    assert released_spacing(manifest(stated), None, needed=True) == ([2.0, 1.0, 1.0], "of the files")
    assert released_spacing(manifest(None), None, needed=True) == (None, UNKNOWN)
    assert released_spacing({}, None, needed=True) == (None, UNKNOWN)  # runs made before


def test_volumes_that_differ_have_none_and_are_not_written_as_if() -> None:
    with pytest.raises(ValueError, match=r"differs: 0\.5 x 1 x 1 to 2 x 1 x 1 mm.*--pixdim.*--spacing.*formats"):
        released_spacing(manifest(DIFFERS), None, needed=True)
    for kind, needed in ((manifest(DIFFERS), False), (manifest(DIFFERS, 2), True)):
        sides, rule = released_spacing(kind, None, needed=needed)
        assert sides is None
        assert "differ" in rule
        assert "0.5" not in rule
