"""The texts of a bundle: what they say of stored images and of the images that these hold."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from monai_distill.configuration.bundle_configs import bundle_configs, composed_job


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"factor": 1}, "30 synthetic images for"),
        ({"factor": 2}, "30 synthetic images, which hold 120 smaller ones, for"),
        ({"factor": 2, "factor_kind": "multi"}, "30 synthetic images, which hold 150 smaller ones, for"),
    ],
)
def test_stored_images_and_those_that_they_hold_are_both_said(settings: dict[str, object], said: str) -> None:
    job = composed_job("digits", "convnet", "dm", {"images_per_class": 3, **settings})
    words = {"title": "digits", "status": "", "data": ""}
    made = bundle_configs("made", job, [1, 8, 8], [str(label) for label in range(10)], words)
    assert said in made["metadata"]["description"]
