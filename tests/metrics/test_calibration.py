"""Calibration over all images at once, against bins counted by hand, and inside a MONAI engine."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.handlers import IgniteMetricHandler
from torch.nn.functional import one_hot

from monai_distill.metrics.calibration import ClassifierCalibration
from monai_distill.runtime.randomness import seeded_generator

CLASSES = 4


@pytest.fixture
def predicted() -> tuple[torch.Tensor, torch.Tensor]:
    probabilities = (2 * torch.randn(90, CLASSES, generator=seeded_generator(0, "p"))).softmax(1)
    return probabilities, one_hot(torch.randint(CLASSES, (90,), generator=seeded_generator(0, "y")), CLASSES)


def _reference_error(confidence: np.ndarray, right: np.ndarray, bins: int, how: str) -> float:
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps, counts = [], []
    for b in range(bins):
        own = place == b
        if own.any():
            gaps.append(abs(confidence[own].mean() - right[own].mean()))
            counts.append(own.sum())
    return max(gaps) if how == "maximum" else float(np.average(gaps, weights=counts if how == "expected" else None))


@pytest.mark.parametrize("how", ["expected", "maximum", "average"])
@pytest.mark.parametrize("bins", [1, 7, 15])
def test_the_error_equals_bins_by_hand_however_it_is_batched(
    predicted: tuple[torch.Tensor, torch.Tensor], how: str, bins: int
) -> None:
    p, y = predicted
    answer, right = p.max(1).values.numpy(), (p.argmax(1) == y.argmax(1)).numpy()
    by_class = [_reference_error(p[:, c].numpy(), y[:, c].numpy(), bins, how) for c in range(CLASSES)]
    for batch in (90, 7):
        for classwise, expected in ((False, _reference_error(answer, right, bins, how)), (True, np.mean(by_class))):
            metric = ClassifierCalibration(bins, classwise=classwise, calibration_reduction=how)
            for low in range(0, 90, batch):
                metric(p[low : low + batch], y[low : low + batch])
            assert float(metric.aggregate()) == pytest.approx(expected, abs=1e-5)


def test_one_that_is_always_sure_and_half_right_is_off_by_half() -> None:
    metric = ClassifierCalibration()
    metric(torch.tensor([[1.0, 0.0]] * 4), one_hot(torch.tensor([0, 1, 0, 1]), 2))
    assert float(metric.aggregate()) == 0.5


def test_it_attaches_to_an_engine_and_resets(predicted: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, y = predicted
    engine = Engine(lambda engine, rows: (p[rows], y[rows]))
    IgniteMetricHandler(metric_fn=ClassifierCalibration(), save_details=False).attach(engine, "calibration")
    whole = ClassifierCalibration()
    whole(p, y)
    for _ in range(2):
        found = engine.run(torch.arange(90).split(16), max_epochs=1).metrics["calibration"]
        assert type(found) is float
        assert found == pytest.approx(float(whole.aggregate()))


def test_nothing_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="No image"):
        ClassifierCalibration().aggregate()
    with pytest.raises(ValueError, match="one-hot"):
        ClassifierCalibration()(torch.ones(3, 2), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="median"):
        ClassifierCalibration(calibration_reduction="median")
