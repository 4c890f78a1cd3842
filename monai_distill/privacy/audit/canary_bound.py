"""A lower bound on epsilon from one run: how many of the canaries an attacker guesses right."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import binom

__all__ = ["canary_bound", "correct_guesses", "guess_p_value"]

LARGEST = 50.0  # an epsilon above which nothing is asked


def guess_p_value(epsilon: float, delta: float, canaries: int, guesses: int, correct: int) -> float:
    """How likely an (epsilon, delta) mechanism lets anyone guess so many canaries right, at most.

    References:
        Steinke, Nasr and Jagielski, Privacy Auditing with One (1) Training Run, NeurIPS 2023, theorem 5.2: the number
        of right guesses is below a binomial with share e^epsilon / (1 + e^epsilon), up to a term in delta.

    Args:
        epsilon: claimed, at least 0.
        delta: claimed, in [0, 1].
        canaries: images that were put in or left out by independent fair coins.
        guesses: for how many of them a guess was made.
        correct: how many of the guesses are right.

    Raises:
        ValueError: when the numbers are out of order.

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
    """Right ones when the upper half of the guesses says "in" of the highest scores, the lower half "out".

    Args:
        scores: [canaries], higher for those that are in.
        members: [canaries], the truth.
        guesses: how many; an odd one more is an "in".

    Raises:
        ValueError: when there are more guesses than canaries, or shapes disagree.

    Example:
        >>> correct_guesses(np.array([3.0, 2.0, 1.0]), np.array([True, False, False]), 2)
        2
    """
    if scores.shape != members.shape or not 0 <= guesses <= len(scores):
        raise ValueError(f"Expected at most {len(scores)} guesses and one truth a score, got {guesses}.")
    order = np.argsort(-scores, kind="stable")
    ins, outs = order[: guesses - guesses // 2], order[len(order) - guesses // 2 :]
    return int(members[ins].sum() + (~members[outs]).sum())


def canary_bound(
    scores: npt.NDArray[np.float64],
    members: npt.NDArray[np.bool_],
    *,
    delta: float,
    guesses: int | None = None,
    confidence: float = 0.95,
) -> float:
    """The largest epsilon that the right guesses in one run refute, 0 when they refute none.

    Which scores and how many guesses must be settled before this run is looked at (on other runs).

    Args:
        scores: [canaries], higher for those that are in.
        members: [canaries], drawn by independent fair coins.
        delta: of the claim.
        guesses: how many are made; None for all.
        confidence: that the mechanism's true epsilon is at least the bound.

    Example:
        >>> truth = np.arange(1000) % 2 == 0
        >>> round(canary_bound(truth + 0.0, truth, delta=1e-5), 1)
        5.8
    """
    made = len(scores) if guesses is None else guesses
    correct = correct_guesses(scores, members, made)

    def doubt(epsilon: float) -> float:
        return guess_p_value(epsilon, delta, len(scores), made, correct) - (1 - confidence)

    if doubt(0.0) >= 0:
        return 0.0
    return LARGEST if doubt(LARGEST) < 0 else float(brentq(doubt, 0.0, LARGEST, xtol=1e-4))
