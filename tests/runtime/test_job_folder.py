"""Folders named by their content."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from monai_distill.runtime import job_path

JOB = {"seed": 0, "network": {"width": 4, "norm": "instance"}, "recipe": {}}


def test_equal_jobs_share_a_folder_below_the_root() -> None:
    other_order = {"recipe": {}, "network": {"norm": "instance", "width": 4}, "seed": 0}
    assert job_path("root", JOB) == job_path(Path("root"), other_order)
    assert job_path("root", JOB).parent == Path("root")


@pytest.mark.parametrize("change", [{"seed": 1}, {"network": {"width": 8}}, {"recipe": {"name": "flat"}}, {"new": 1}])
def test_different_jobs_never_share(change: dict[str, object]) -> None:
    assert job_path("root", {**JOB, **change}) != job_path("root", JOB)
