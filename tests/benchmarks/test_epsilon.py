"""Bounds on epsilon against closed forms, and the scores of the mechanisms without noise."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from torch import Tensor

pytest.importorskip("dp_accounting", reason="pip install 'monai-distill[privacy]'")
from monai_distill.privacy.dp import GaussianEvent
from monai_distill.privacy.dp.mechanisms import secure_coins
from tests.benchmarks.epsilon import failures, record, resumed
from tests.benchmarks.epsilon_bounds import Errors, _trade_off, noise_bound, plain_bound
from tests.benchmarks.epsilon_mechanisms import ClassSums, NoisyTraining, Prototypes, scaled_noise


def form(noise: float) -> list[GaussianEvent]:
    return [GaussianEvent("sums", noise)]


def test_the_trade_off_of_gaussian_noise_is_the_closed_one() -> None:
    """Dong, Roth and Su 2022: ``G_mu(alpha) = Phi(Phi^-1(1 - alpha) - mu)`` with mu = 1 / noise."""
    for alpha in (0.05, 0.3, 0.5):
        exact = norm.cdf(norm.ppf(1 - alpha) - 1 / 2.0)
        found = _trade_off(tuple(form(2.0)), alpha)
        assert exact - 0.01 < found <= exact + 1e-6  # a lower curve gives a smaller, still valid bound


def test_bounds_follow_the_errors() -> None:
    assert plain_bound(Errors(0.1, 0.2), 0.0) == pytest.approx(math.log(8))
    assert plain_bound(Errors(0.6, 0.6), 1e-5) == 0.0
    mu = 1 / 1.5
    errors = Errors(float(norm.sf(mu / 2)), float(norm.cdf(-mu / 2)))  # the exact errors of noise 1.5
    bound = noise_bound(errors, form, 3.73, 1e-5)
    assert 2.4 < bound < 2.8  # epsilon of noise 1.5 at 1e-5 is 2.77


def test_an_interval_is_that_of_its_counts() -> None:
    errors = Errors.at(0.5, np.zeros(100), np.ones(100))
    assert errors.false_positive == errors.false_negative == pytest.approx(1 - 0.025 ** (1 / 100))


@pytest.mark.parametrize("mechanism", [ClassSums, Prototypes])
def test_without_noise_the_score_tells_the_canary(mechanism: Any) -> None:
    subject = mechanism(1.0)
    with scaled_noise(1e-6):
        absent, present = ([subject.score(canary) for _ in range(3)] for canary in (False, True))
    assert max(absent) < min(present)
    # a canary moves every sum by the clip
    assert np.mean(present) - np.mean(absent) == pytest.approx(getattr(subject, "rounds", 1), abs=0.01)


@pytest.mark.parametrize("canary", [False, True])
def test_without_noise_the_score_of_dp_sgd_counts_the_samples_with_the_canary(
    canary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No sample of a run holds the canary in one run of ten (0.8 ** 10), which no score tells from its absence.

    The densities of a reading r with the canary (mean 1 in a sample at rate q, else 0) and without it (mean 0), both
    of standard deviation 1, have the ratio 1 - q + q exp(r - 1 / 2); r is 1 or 0 here.
    """
    subject, samples = NoisyTraining(1.0), []

    def recorded(count: int, rate: float) -> Tensor:
        samples.append(secure_coins(count, rate))
        return samples[-1]

    monkeypatch.setattr("monai_distill.privacy.dp.expert_trainer.secure_coins", recorded)
    for _ in range(5):
        samples.clear()
        with scaled_noise(1e-6):
            score = subject.score(canary)
        held = sum(int(sample[2]) for sample in samples) if canary else 0  # the canary is the last of three records
        assert len(samples) == 10
        ratios = [1 - 0.2 + 0.2 * math.exp(reading - 0.5) for reading in [1] * held + [0] * (10 - held)]
        assert score == pytest.approx(sum(map(math.log, ratios)), abs=1e-4)


def test_a_claim_that_is_exceeded_and_a_broken_build_that_passes_are_failures() -> None:
    row = {"mechanism": "sums", "epsilon": 1.0, "plain_bound": 0.1, "draws_per_side": 2000}
    rows = [{**row, "noise_factor": 1.0, "noise_bound": 0.9}, {**row, "noise_factor": 0.5, "noise_bound": 1.6}]
    assert failures(rows) == []
    assert record(rows, "abc")["rows"] == [["sums", "1", 0.1, 0.9, 1.6]]
    assert len(failures([{**rows[0], "noise_bound": 1.1}])) == len(failures([{**rows[1], "noise_bound": 0.9}])) == 1


def test_rows_are_continued_only_at_their_commit_and_with_their_draws(tmp_path: Path) -> None:
    file, rows = tmp_path / "epsilon.json", [{"draws_per_side": 2000}]
    assert resumed(file, "abc", 2000) == ([], 0)
    file.write_text(json.dumps({"commit": "abc", "cpu_seconds": 7, "rows": rows}))
    assert resumed(file, "abc", 2000) == (rows, 7)
    assert resumed(file, "def", 2000) == resumed(file, "abc", 100) == ([], 0)
