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


def told(found: RunRecords, tier: str = "T0") -> str:
    return " ".join(cautions(found, tier))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"manifest": manifest(initial_images="real")}, "started from real training images"),
        ({"manifest": manifest(initial_images="correct")}, "started from real training images"),
        ({"label_logits": torch.zeros(6, 3)}, "labels are learned"),
        ({"manifest": manifest(source={**SOURCE, "counts": {"training": [100, 900, 900]}})}, "up to 2.0%"),
        ({"audit": {"void": True, "why_void": "blind."}}, "audit is void: blind."),
        ({"audit": {"void": False, "set_sha256": "another"}}, "of another set"),
        ({"audit": {"void": False, "attacks": {"pixels": {"caught": True}}}}, "by this method: pixels"),
        ({"scores": scores(distilled={"accuracy": metric(0.8, students=3)})}, "Few students: 3"),
        ({"scores": scores(full=None)}, "No network was trained on all"),
        ({"manifest": manifest(source={**SOURCE, "counts": {"test": [5, 100, 100]}})}, "normal has 5"),
        ({"history": {**HISTORY, "validations": [{"iteration": 1, "diverged": True}] * 2}}, "diverged at 2 of 2 looks"),
        ({"images_per_class": 1}, "One image a class"),
        ({"manifest": manifest(source={**SOURCE, "official": False})}, "Unofficial data"),
        ({"manifest": manifest(source={**SOURCE, "license": "unknown"})}, "license of the source is not known"),
    ],
)
def test_a_warning_is_there_with_its_reason_and_not_without(records: Records, files: dict[str, Any], says: str) -> None:
    assert says not in told(records())
    assert says in told(records(**files))


def test_what_holds_of_a_plain_run_is_told(records: Records) -> None:
    text = told(records())
    for part in (
        "Scored on one architecture (ConvNet)",
        "one seed (7)",
        "best of 2 looks, at iteration 20",
        "2 images a class",
        "CC BY 4.0",
    ):
        assert part in text, part
    assert "Scored on one" not in told(records(scores=scores(protocols={"across": {"networks": ["convnet", "vit"]}})))
    assert "Selected on" not in told(records(history={**HISTORY, "validations": []}))


def test_a_guarantee_does_not_cover_the_page_itself(records: Records) -> None:
    assert "outside the guarantee" in told(records(), "T2")
    assert "outside the guarantee" not in told(records())
    assert "labels are learned" not in told(records(label_logits=torch.zeros(6, 3)), "T2")
