"""Every sentence follows from a figure: changed figures change it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monai_distill.export.report.records import RunRecords
from monai_distill.export.report.usage_statement import UsageStatement
from tests.export.report.conftest import metric, row, scores

Records = Callable[..., RunRecords]


def words(records: Records, tier: str = "T0", **changes: Any) -> tuple[str, str, str]:
    results, can, cannot = UsageStatement.of(records(scores=scores(**changes)), tier)
    return " ".join(results), " ".join(can), " ".join(cannot)


def test_a_good_set_may_train_its_network(records: Records) -> None:
    found, can, cannot = words(records)
    assert "6 synthetic images: 2 images for each of 3 classes. They replace 3,600 training images." in found
    assert "ConvNet, trained on this set alone, classifies 80.0% of the test images correctly" in found
    assert "clearly better than as many random real images (60.0%)" in found
    assert "worse" not in found
    assert "not clearly" not in found
    assert "Training ConvNet if there is no time or storage for all images" in can
    assert "decision about a patient" in cannot
    assert "Passing it on as if no patient" in cannot


@pytest.mark.parametrize(
    ("random", "says", "advice"),
    [
        (row(0.73), "clearly worse than", "Real images, if they may be used, work better"),
        (row(0.719), "not shown to be better than", "not shown to be worse"),
        (row(0.69), "not shown to be better than", "not shown to be worse"),
        (row(0.60), "clearly better than", "is enough"),
    ],
)
def test_the_gap_to_random_is_held_against_both_deviations(
    records: Records, random: Any, says: str, advice: str
) -> None:
    found, can, _ = words(records, distilled=row(0.70), random=random)
    assert says in found
    assert advice in can


def test_every_control_of_the_same_size_is_a_rival_and_no_other_row(records: Records) -> None:
    found, can, _ = words(records, controls={"soft_label_random": row(0.9)}, dp_sgd=row(0.99))
    assert "clearly better than as many random real images" in found
    assert "clearly worse than as many random real images with soft labels (90.0%)" in found
    assert "work better" in can
    assert "99" not in found


def test_one_network_a_row_proves_nothing(records: Records) -> None:
    one = {**row(0.8), "balanced_accuracy": metric(0.8, None, 1)}
    found, _, _ = words(records, distilled=one)
    assert "cannot be called better or worse" in found


def test_a_missing_control_is_reported(records: Records) -> None:
    assert "unknown whether distillation helped" in words(records, random=None)[0]


@pytest.mark.parametrize(
    ("distilled", "prior", "says"),
    [
        (row(0.38), 0.4, "worse than always answering the most frequent class (40.0%)"),
        (row(0.405), 0.4, "not clearly better than always answering the most frequent class"),
        (row(0.3), 0.2, "worse than guessing, if every class counts the same (33.3%)"),
        (row(0.34), 0.2, "not clearly better than guessing"),
    ],
)
def test_a_set_no_better_than_guessing_is_called_that(
    records: Records, distilled: Any, prior: float, says: str
) -> None:
    found, can, _ = words(records, distilled=distilled, random=row(0.1), prior={"accuracy": prior})
    assert says in found
    assert "Training ConvNet" not in can
    assert "Testing programs" in can


def test_networks_on_all_images_below_the_set_are_no_yardstick(records: Records) -> None:
    assert "too briefly for a comparison" in words(records, full=row(0.5))[0]
    assert "too briefly" not in words(records)[0]


def test_uses_go_where_their_protocol_puts_them(records: Records) -> None:
    uses = [{"text": "Counting sheep.", "better": True}, {"text": "Counting goats.", "better": False}]
    _, can, cannot = words(records, protocols={"animals": {"uses": uses}, "silent": {}})
    assert "Counting sheep." in can
    assert "Counting goats." not in can
    assert "Counting goats." in cannot
    assert "not measured" in cannot


def test_with_a_guarantee_the_number_of_training_images_is_left_out(records: Records) -> None:
    found, can, cannot = words(records, "T2")
    assert "3,600" not in found
    assert "privacy tier" in can
    assert "Passing it on" not in cannot
