"""One value per student, gathered over batches."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import warnings

import pytest
import torch
from ignite.exceptions import NotComputableError

from monai_distill.metrics import SCORES, StudentMetric, accuracy
from monai_distill.runtime.randomness import seeded_generator


@pytest.mark.parametrize("name", SCORES)
def test_batches_are_gathered_before_each_student_is_scored(name: str) -> None:
    probabilities = torch.randn(3, 40, 4, generator=seeded_generator(0, name)).softmax(2)
    labels = torch.arange(40) % 4
    metric = StudentMetric(SCORES[name])
    for low in (0, 7, 14, 21, 28, 35):
        metric.update((probabilities[:, low : low + 7], labels[low : low + 7]))
    value = metric.compute()
    expected = [SCORES[name](student.double().numpy(), labels.numpy()) for student in probabilities]
    assert type(value) is float
    assert [type(v) for v in metric.values] == [float] * 3
    assert metric.values == pytest.approx(expected, abs=1e-12)
    assert value == pytest.approx(sum(expected) / 3)


def test_reset_forgets() -> None:
    metric = StudentMetric(accuracy)
    metric.update((torch.eye(2)[None], torch.tensor([1, 0])))
    assert metric.compute() == 0.0
    metric.reset()
    metric.update((torch.eye(2)[None], torch.tensor([0, 1])))
    assert metric.compute() == 1.0


def test_nothing_gathered_is_not_computable() -> None:
    with pytest.raises(NotComputableError, match="No batch"):
        StudentMetric(accuracy).compute()


def test_no_student_has_no_score_and_that_is_no_warning() -> None:
    metric = StudentMetric(accuracy)
    metric.update((torch.empty(0, 2, 2), torch.tensor([0, 1])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(metric.compute())
    assert metric.values == []
