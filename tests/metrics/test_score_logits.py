"""Scores of several networks: from logits, gathered over batches, and summarized; against SciPy and by hand."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
import torch
from ignite.exceptions import NotComputableError
from scipy import stats

from monai_distill.metrics import accuracy, score_logits
from monai_distill.metrics.classification import SCORES
from monai_distill.metrics.score_logits import StudentMetric, summary
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


def test_logits_are_scored_like_their_probabilities() -> None:
    logits = torch.randn(3, 40, 4, generator=seeded_generator(0, "logits"))
    labels = torch.arange(40) % 4
    row = score_logits(logits, labels)
    for name, score in SCORES.items():
        expected = [score(student.softmax(1).double().numpy(), labels.numpy()) for student in logits]
        assert row[name]["values"] == pytest.approx(expected, abs=1e-12)
        assert row[name]["mean"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("logits", [torch.full((1, 2, 2), math.nan), torch.zeros(2, 2), torch.zeros(1, 3, 2)])
def test_logits_that_cannot_be_scored_are_refused(logits: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected .*logits"):
        score_logits(logits, torch.tensor([0, 1]))


@pytest.mark.parametrize("values", [[0.5, 0.7], [0.61, 0.64, 0.58, 0.66, 0.6], [0.3] * 4])
def test_summary_equals_scipy(values: list[float]) -> None:
    found = summary(values)
    assert found["mean"] == pytest.approx(sum(values) / len(values))
    assert found["std"] == pytest.approx(np.std(values, ddof=1), abs=1e-15)
    assert found["values"] == values
    if found["std"] > 1e-9:
        interval = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert found["interval95"] == pytest.approx(interval)
    else:
        assert found["interval95"] == pytest.approx([found["mean"]] * 2)


def test_summary_of_five_by_hand() -> None:
    found = summary([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764451 * math.sqrt(2.5) / math.sqrt(5)  # t table, 4 degrees of freedom, two-sided 95%
    assert (found["mean"], found["std"]) == (3.0, pytest.approx(math.sqrt(2.5)))
    assert found["interval95"] == pytest.approx([3 - half, 3 + half])


def test_one_value_has_no_spread() -> None:
    assert summary([0.5]) == {"mean": 0.5, "std": None, "interval95": None, "values": [0.5]}


@pytest.mark.parametrize("values", [[math.nan], [0.5, math.nan], [0.1, 0.2]])
def test_the_result_is_strict_json(values: list[float]) -> None:
    found = json.loads(json.dumps(summary(values), allow_nan=False))
    assert found["values"] == [None if math.isnan(v) else v for v in values]
    assert (found["mean"] is None) == any(math.isnan(v) for v in values)
