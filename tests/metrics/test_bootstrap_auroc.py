"""Resampled areas against scikit-learn on the resamples themselves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from monai_distill.metrics import auroc
from monai_distill.metrics.bootstrap_auroc import bootstrap_auroc
from monai_distill.runtime.randomness import derived_seed


def drawn(students: int, count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Somewhat good predictions, rounded so that many are tied."""
    random = np.random.default_rng(0)
    labels = random.integers(classes, size=count)
    raw = random.normal(size=(students, count, classes)) + np.eye(classes)[labels]
    p = np.exp(raw) / np.exp(raw).sum(2, keepdims=True)
    return p.round(1), labels


@pytest.mark.parametrize("clusters", [None, "patients"])
def test_the_interval_equals_scikit_learn_on_the_same_resamples(clusters: str | None) -> None:
    p, labels = drawn(2, 60, 3)
    names = None if clusters is None else [f"patient {i // 3}" for i in range(60)]
    units = 60 if names is None else 20
    members = np.arange(60) if names is None else np.unique(names, return_inverse=True)[1]
    counts = np.random.default_rng(derived_seed(5, "bootstrap")).multinomial(units, np.full(units, 1 / units), size=40)
    values = []
    for weights in counts[:, members]:
        rows = np.repeat(np.arange(60), weights)
        areas = [roc_auc_score(labels[rows] == c, s[rows, c]) for s in p for c in range(3)]
        values.append(np.mean(areas))
    found = bootstrap_auroc(p, labels, clusters=names, resamples=40, level=0.9, seed=5)
    assert found["interval"] == pytest.approx(np.quantile(values, [0.05, 0.95]))
    assert found["value"] == pytest.approx(np.mean([auroc(s, labels) for s in p]))
    assert (found["unit"], found["resamples"]) == ("image" if names is None else "patient", 40)


def test_the_interval_holds_the_value_and_narrows_with_more_images() -> None:
    widths = []
    for count in (40, 400):
        found = bootstrap_auroc(*drawn(1, count, 2), resamples=200)
        low, high = found["interval"]
        assert low < found["value"] < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_images_of_one_patient_count_as_one_observation() -> None:
    p, labels = drawn(1, 50, 2)
    five_times, names = np.repeat(p, 5, axis=1), [f"{i // 5}" for i in range(250)]
    once = bootstrap_auroc(p, labels, resamples=300)["interval"]
    by_image = bootstrap_auroc(five_times, np.repeat(labels, 5), resamples=300)["interval"]
    by_patient = bootstrap_auroc(five_times, np.repeat(labels, 5), clusters=names, resamples=300)["interval"]
    assert np.diff(by_image) < 0.6 * np.diff(once)
    assert np.diff(by_patient) == pytest.approx(np.diff(once), rel=0.3)


def test_it_repeats_with_its_seed_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    p, labels = drawn(1, 40, 3)
    first = bootstrap_auroc(p, labels, resamples=100, seed=1)
    assert bootstrap_auroc(p, labels, resamples=100, seed=1) == first
    assert bootstrap_auroc(p, labels, resamples=100, seed=2) != first
    monkeypatch.setattr(sys.modules[bootstrap_auroc.__module__], "BLOCK", 40 * 7)
    assert bootstrap_auroc(p, labels, resamples=100, seed=1)["interval"] == pytest.approx(first["interval"])


def test_a_rare_class_that_a_resample_lacks_is_left_out_of_it() -> None:
    p, labels = drawn(1, 30, 3)
    labels = np.where(labels == 2, 0, labels)
    labels[0] = 2
    low, high = bootstrap_auroc(p, labels, resamples=100)["interval"]
    assert 0 <= low < high <= 1


def test_a_single_class_has_no_area() -> None:
    found = bootstrap_auroc(np.full((1, 4, 2), 0.5), np.zeros(4, dtype=np.int64))
    assert (found["value"], found["interval"]) == (None, None)


@pytest.mark.parametrize("settings", [{"resamples": 0}, {"level": 1.0}, {"clusters": ["a"]}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected resamples"):
        bootstrap_auroc(*drawn(1, 10, 2), **settings)
