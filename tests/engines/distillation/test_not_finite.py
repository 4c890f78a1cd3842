"""The error of values that are not finite names what helps."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest

from monai_distill.engines.distillation.not_finite import not_finite_message

NAN = float("nan")
WITH_NETWORKS = SimpleNamespace(learning_rates=("student_lr", "expert_lr"))


@pytest.mark.parametrize(
    ("iteration", "objective", "advice"),
    [
        (1, WITH_NETWORKS, "Lower student_lr or expert_lr"),
        (1, SimpleNamespace(), "Check the images, the features and the loss"),
        (1, None, "Lower image_lr or label_lr"),  # the step itself is not finite
        (2, WITH_NETWORKS, "Lower image_lr or label_lr"),
    ],
)
def test_the_advice_fits_the_moment(iteration: int, objective: object, advice: str) -> None:
    message = not_finite_message(iteration, NAN, ["images", "label_logits"], objective)
    assert advice in message
    assert "another output_dir" in message
