"""Each warning comes with its figure, and goes with it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from monai_distill.export.report.cautions import cautions
from monai_distill.export.report.records import RunRecords
from tests.export.report.conftest import HISTORY, manifest, metric, scores

Records = Callable[..., RunRecords]
SOURCE = manifest()["source"]


def text_of(records: RunRecords, tier: str = "T0") -> str:
    return " ".join(cautions(records, tier))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"manifest": manifest(initial_images="real")}, "started from real training images"),
        ({"manifest": manifest(initial_images="correct")}, "started from real training images"),
        ({"label_logits": torch.zeros(6, 3)}, "labels are learned"),
        (
            {"manifest": manifest(source={**SOURCE, "counts": {"training": [100, 900, 900]}})},
            "is 2.0% of the number of training images",
        ),
        ({"audit": {"void": True, "why_void": "blind."}}, "audit is void: blind."),
        ({"audit": {"void": False, "set_sha256": "another"}}, "of another set"),
        ({"audit": {"void": False, "attacks": {"pixels": {"caught": True}}}}, "better than chance: pixels"),
        ({"scores": scores(distilled={"accuracy": metric(0.8, students=3)})}, "Only 3 networks"),
        ({"scores": scores(full=None)}, "No network was trained on all"),
        ({"manifest": manifest(source={**SOURCE, "counts": {"test": [5, 100, 100]}})}, "normal has 5"),
        (
            {"history": {**HISTORY, "validations": [{"iteration": 1, "diverged": True}] * 2}},
            "diverged in 2 of 2 validations",
        ),
        ({"images_per_class": 1}, "There is one image per class"),
        ({"manifest": manifest(source={**SOURCE, "official": False})}, "not recognized as a published data set"),
        ({"manifest": manifest(source={**SOURCE, "license": "unknown"})}, "license of the source is unknown"),
    ],
)
def test_a_warning_is_there_with_its_reason_and_not_without(records: Records, files: dict[str, Any], says: str) -> None:
    assert says not in text_of(records())
    assert says in text_of(records(**files))


def test_the_warnings_of_a_plain_run(records: Records) -> None:
    text = text_of(records())
    for part in (
        "Only one architecture was scored (ConvNet)",
        "one seed (7)",
        "the best of 2 validations (iteration 20)",
        "2 images per class",
        "CC BY 4.0",
    ):
        assert part in text, part
    across = {"across": {"networks": ["convnet", "vit"]}}
    assert "Only one architecture" not in text_of(records(scores=scores(protocols=across)))
    assert "the best of" not in text_of(records(history={**HISTORY, "validations": []}))


def test_a_guarantee_does_not_cover_the_page_itself(records: Records) -> None:
    assert "guarantee does not cover them" in text_of(records(), "T2")
    assert "guarantee does not cover them" not in text_of(records())
    assert "the best of" not in text_of(records(), "T2")  # at T2 nothing is selected on validation
    assert "labels are learned" not in text_of(records(label_logits=torch.zeros(6, 3)), "T2")
