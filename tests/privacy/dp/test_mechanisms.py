"""Noise, coins and the one-time release, each by its statistics and not by its implementation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import pickle

import pytest
import torch
from scipy.stats import kstest

from monai_distill.privacy.dp.mechanisms import PrivateRelease, secure_coins, secure_normal


def test_noise_is_normal_with_the_given_standard_deviation() -> None:
    noise = secure_normal((200, 300), 2.5).flatten()
    assert kstest((noise / 2.5).numpy(), "norm").pvalue > 1e-4  # false alarm once in 10,000 runs
    assert float(noise.std()) == pytest.approx(2.5, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.05)
    assert noise.dtype == torch.float64


def test_noise_has_no_seed() -> None:
    state = torch.random.get_rng_state()
    first = secure_normal((50,), 1.0)
    torch.random.set_rng_state(state)
    assert not torch.equal(first, secure_normal((50,), 1.0))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_coins_have_the_given_probability_and_are_independent() -> None:
    draws = torch.stack([secure_coins(40, 0.3) for _ in range(5000)]).double()
    assert torch.allclose(draws.mean(dim=0), torch.full((40,), 0.3, dtype=torch.float64), atol=0.035)  # 5.4 deviations
    joint = draws.T @ draws / len(draws)
    off_diagonal = joint[~torch.eye(40, dtype=torch.bool)]
    assert float((off_diagonal - 0.09).abs().max()) < 0.025  # pairwise independent
    assert not secure_coins(5, 0.0).any()


def test_a_release_has_the_calibrated_noise_and_erases_the_clean_value() -> None:
    clean = torch.ones(300, 200)
    noisy = PrivateRelease(clean, clip=0.5, noise_multiplier=3.0).draw()
    assert float((noisy - 1).std()) == pytest.approx(1.5, rel=0.02)
    assert kstest(((noisy - 1) / 1.5).flatten().numpy(), "norm").pvalue > 1e-4
    assert not clean.any()


def test_a_release_is_drawn_once() -> None:
    release = PrivateRelease(torch.ones(3), clip=1.0, noise_multiplier=1.0)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match="cannot be copied"):
            copied(release)
    release.draw()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot be released twice"):
            release.draw()
    assert not any(torch.is_tensor(value) for value in vars(release).values())


@pytest.mark.parametrize(("clip", "noise"), [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0), (float("inf"), 1.0)])
def test_a_release_without_noise_is_refused(clip: float, noise: float) -> None:
    with pytest.raises(ValueError, match=r"clip|noise_multiplier"):
        PrivateRelease(torch.ones(1), clip=clip, noise_multiplier=noise)
