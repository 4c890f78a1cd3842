"""The bound on epsilon from one run: its published ceilings, its coverage, and broken mechanisms that it refutes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from monai_distill.privacy.audit.canary_bound import canary_bound, correct_guesses, guess_p_value

DELTA = 1e-5
CANARIES = 600


def truths(count: int, right: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of which a share ``right`` gives the right guess."""
    members = np.arange(count) % 2 == 0
    wrong = np.zeros(count, dtype=bool)
    wrong[: round(count * (1 - right))] = True
    return np.where(wrong, ~members, members) + 0.0, members


@pytest.mark.parametrize(
    ("canaries", "right", "epsilon"), [(100, 1, 3.5), (500, 1, 5.1), (1000, 1, 5.8), (1000, 0.9, 2.0), (1000, 0.6, 0.3)]
)
def test_the_ceilings_at_95_percent(canaries: int, right: float, epsilon: float) -> None:
    assert canary_bound(*truths(canaries, right), delta=DELTA) == pytest.approx(epsilon, abs=0.05)


def test_without_delta_the_p_value_is_a_binomial_tail() -> None:
    share = math.e / (1 + math.e)
    tail = sum(math.comb(20, k) * share**k * (1 - share) ** (20 - k) for k in range(16, 21))
    assert guess_p_value(1.0, 0.0, 30, 20, 16) == pytest.approx(tail)


def test_delta_only_makes_it_harder_to_refute() -> None:
    values = [guess_p_value(1.0, delta, 100, 100, 95) for delta in (0.0, 1e-6, 1e-4, 1e-2)]
    assert values == sorted(values)
    assert values[-1] <= 1.0


def test_a_coin_is_refuted_no_more_often_than_promised() -> None:
    random = np.random.default_rng(0)
    bounds = [canary_bound(random.normal(size=200), random.random(200) < 0.5, delta=0.0) for _ in range(200)]
    assert np.mean(np.array(bounds) > 0) < 0.1  # at most 5 percent are meant


def test_guesses_go_to_the_ends() -> None:
    scores, members = np.array([0.9, 0.1, 0.5, 0.2]), np.array([True, False, False, True])
    assert [correct_guesses(scores, members, made) for made in (1, 2, 3, 4)] == [1, 2, 2, 2]


# ---- a tiny mechanism: the sum of the members' clipped vectors, released once with Gaussian noise

Mechanism = Callable[[np.ndarray, np.random.Generator], np.ndarray]
EPSILON = 1.0
SIGMA = math.sqrt(2 * math.log(1.25 / DELTA)) / EPSILON  # the classical Gaussian mechanism, Dwork and Roth 2014


def clipped_sum(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1.0)).sum(axis=0)


def right(vectors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return clipped_sum(vectors) + SIGMA * random.normal(size=vectors.shape[1])


def noise_off(vectors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return clipped_sum(vectors)


def noise_redrawn(vectors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A cached clean sum that gets fresh noise at each of 100 steps of an optimizer."""
    return np.mean([right(vectors, random) for _ in range(100)], axis=0)


def not_clipped(vectors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return vectors.sum(axis=0) + SIGMA * random.normal(size=vectors.shape[1])


def audited(mechanism: Mechanism, seed: int) -> float:
    """The bound from one run on canaries of their own directions and three times the clipping norm at least."""
    random = np.random.default_rng(seed)
    vectors = random.uniform(3, 30, CANARIES)[:, None] * np.eye(CANARIES)
    members = random.random(CANARIES) < 0.5
    released = mechanism(vectors[members], random)
    return canary_bound(vectors @ released / np.linalg.norm(vectors, axis=1), members, delta=DELTA, guesses=CANARIES)


@pytest.mark.parametrize("broken", [noise_off, noise_redrawn, not_clipped])
def test_a_broken_mechanism_is_refuted(broken: Mechanism) -> None:
    assert all(audited(broken, seed) > EPSILON for seed in range(3))


def test_the_right_mechanism_passes() -> None:
    bounds = [audited(right, seed) for seed in range(20)]
    assert max(bounds) <= EPSILON
    assert np.isfinite(bounds).all()
