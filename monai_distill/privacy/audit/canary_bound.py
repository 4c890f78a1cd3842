"""Empirical lower bound on epsilon from one run: the number of canaries whose membership was guessed correctly."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import binom

__all__ = ["canary_bound", "correct_guesses", "guess_p_value"]

MAX_EPSILON = 50.0  # larger bounds are not computed


def guess_p_value(epsilon: float, delta: float, canaries: int, guesses: int, correct: int) -> float:
    """Largest probability that an (epsilon, delta) mechanism allows this many correct guesses.

    References:
        Steinke, Nasr and Jagielski, Privacy Auditing with One (1) Training Run, NeurIPS 2023,
        https://arxiv.org/abs/2305.08846, theorem 5.2: the number of correct guesses is stochastically smaller than a
        binomial with probability e^epsilon / (1 + e^epsilon), up to a term in delta.

    Args:
        epsilon: claimed, at least 0.
        delta: claimed, in [0, 1].
        canaries: number of images that independent fair coins included or excluded.
        guesses: number of guesses about them.
        correct: number of correct guesses.

    Raises:
        ValueError: unless 0 <= correct <= guesses <= canaries, epsilon >= 0 and delta is in [0, 1].

    Example:
        >>> guess_p_value(0.0, 0.0, 10, 10, 10) == 0.5**10
        True
    """
    if not (0 <= correct <= guesses <= canaries and epsilon >= 0 and 0 <= delta <= 1):
        raise ValueError(
            f"Expected 0 <= correct <= guesses <= canaries, epsilon of at least 0 and delta in [0, 1], got {correct}, "
            f"{guesses}, {canaries}, {epsilon} and {delta}."
        )
    share = 1 / (1 + np.exp(-epsilon))
    value = float(binom.sf(correct - 1, guesses, share))
    if delta > 0 and correct > 0:
        below = np.cumsum(binom.pmf(np.arange(correct - 1, -1, -1), guesses, share))
        value += 2 * canaries * delta * float((below / np.arange(1, correct + 1)).max())
    return min(value, 1.0)


def correct_guesses(scores: npt.NDArray[np.float64], members: npt.NDArray[np.bool_], guesses: int) -> int:
    """Number of correct guesses: "member" for the highest scores, "non-member" for the lowest, half each.

    Args:
        scores: [canaries], higher for members.
        members: [canaries], True for members.
        guesses: number of guesses; if odd, one more guess says "member".

    Raises:
        ValueError: if there are more guesses than canaries, or shapes disagree.

    Example:
        >>> correct_guesses(np.array([3.0, 2.0, 1.0]), np.array([True, False, False]), 2)
        2
    """
    if scores.shape != members.shape or not 0 <= guesses <= len(scores):
        raise ValueError(
            f"Expected at most {len(scores)} guesses and as many members as scores, got {guesses} guesses and members "
            f"of shape {members.shape}."
        )
    order = np.argsort(-scores, kind="stable")
    half = guesses // 2
    guessed_in, guessed_out = order[: guesses - half], order[len(order) - half :]
    return int(members[guessed_in].sum() + (~members[guessed_out]).sum())


def canary_bound(
    scores: npt.NDArray[np.float64],
    members: npt.NDArray[np.bool_],
    *,
    delta: float,
    guesses: int | None = None,
    confidence: float = 0.95,
) -> float:
    """Lower bound on epsilon from the correct guesses in one run; 0 if they are compatible with epsilon 0.

    The scores and the number of guesses must be chosen on other runs.

    Args:
        scores: [canaries], higher for members.
        members: [canaries], drawn by independent fair coins.
        delta: of the claim.
        guesses: number of guesses; None for all canaries.
        confidence: that the mechanism's true epsilon is at least the bound.

    Example:
        >>> truth = np.arange(1000) % 2 == 0
        >>> round(canary_bound(truth + 0.0, truth, delta=1e-5), 1)
        5.8
    """
    count = len(scores) if guesses is None else guesses
    correct = correct_guesses(scores, members, count)

    def excess(epsilon: float) -> float:
        return guess_p_value(epsilon, delta, len(scores), count, correct) - (1 - confidence)

    if excess(0.0) >= 0:
        return 0.0
    return MAX_EPSILON if excess(MAX_EPSILON) < 0 else float(brentq(excess, 0.0, MAX_EPSILON, xtol=1e-4))
