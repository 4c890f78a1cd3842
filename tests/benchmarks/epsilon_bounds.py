"""Lower bounds on epsilon from repeated releases with and without one record."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import dp_accounting
import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from monai_distill.privacy.dp import GaussianEvent, epsilon_of

CONFIDENCE = 0.95  # of both error rates together
LOSSES = np.linspace(0.0, 12.0, 121)  # epsilons at which a trade-off curve is supported by a line
Scores = npt.NDArray[np.float64]
Events = Callable[[float], Sequence[GaussianEvent]]


class Errors(NamedTuple):
    """Upper ends of the intervals of an attack's two error rates.

    Attributes:
        false_positive: it says that the record is there, and it is not.
        false_negative: it says that the record is not there, and it is.
    """

    false_positive: float
    false_negative: float

    @classmethod
    def at(cls, threshold: float, absent: Scores, present: Scores) -> Errors:
        """Errors of the attack that says "present" above a threshold (Clopper and Pearson; both hold at 95%)."""
        return cls(
            _highest(int((absent > threshold).sum()), len(absent)),
            _highest(int((present <= threshold).sum()), len(present)),
        )


def plain_bound(errors: Errors, delta: float) -> float:
    """Epsilon that any (epsilon, delta) mechanism needs for these error rates; 0 if none is needed.

    References:
        Kairouz et al., The Composition Theorem for Differential Privacy, ICML 2015, theorem 2.1,
        https://arxiv.org/abs/1311.0776: FP + e^epsilon FN >= 1 - delta, and the same with FP and FN exchanged.

    Example:
        >>> round(plain_bound(Errors(0.1, 0.2), 0.0), 3) == round(math.log(8), 3)
        True
    """
    pairs = ((errors.false_positive, errors.false_negative), (errors.false_negative, errors.false_positive))
    ratios = [(1 - delta - other) / one for one, other in pairs if one > 0]
    return max(0.0, *(math.log(ratio) for ratio in ratios if ratio > 0), 0.0)


def noise_bound(errors: Errors, events_at: Events, claimed_noise: float, delta: float) -> float:
    """Epsilon of the largest noise multiplier that allows these error rates, for mechanisms of one form.

    The form (Gaussian noise, sampling rate, number of steps) is that of the claim; its noise is not. Such a bound is
    close to the truth with few thousand releases, which :func:`plain_bound` is not.

    References:
        Nasr et al., Tight Auditing of Differentially Private Machine Learning, USENIX Security 2023,
        https://arxiv.org/abs/2302.07956, section 4 (bounds from the trade-off curve of the mechanism).

    Deviation: the curve of any form comes from privacy loss distributions, not from Gaussian DP alone.

    Example:
        >>> form = lambda sigma: [GaussianEvent("sums", sigma)]
        >>> noise_bound(Errors(0.5, 0.5), form, 3.73, 1e-5)
        0.0
    """
    low, high = claimed_noise / 8, claimed_noise * 32
    if _allows(high, errors, events_at):  # hardly better than guessing
        return 0.0
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _allows(middle, errors, events_at) else (low, middle)
    return epsilon_of(events_at(high), delta)


def chosen_threshold(absent: Scores, present: Scores, bound: Callable[[Errors], float]) -> float:
    """The threshold, among quantiles of the scores, with the largest bound; call it with draws of their own."""
    candidates = np.quantile(np.concatenate([absent, present]), np.linspace(0.01, 0.99, 99))
    return float(max(candidates, key=lambda threshold: bound(Errors.at(threshold, absent, present))))


def _highest(count: int, total: int) -> float:
    level = 1 - (1 - CONFIDENCE) / 2
    return 1.0 if count == total else float(beta.ppf(level, count + 1, total - count))


def _allows(noise: float, errors: Errors, events_at: Events) -> bool:
    return errors.false_negative >= _trade_off(tuple(events_at(noise)), errors.false_positive)


def _trade_off(events: tuple[GaussianEvent, ...], false_positive: float) -> float:
    """Smallest false-negative rate of any attack with this false-positive rate."""
    deltas = _deltas(events)
    falling = 1 - deltas - np.exp(LOSSES) * false_positive
    rising = np.exp(-LOSSES) * (1 - deltas - false_positive)
    return max(0.0, float(falling.max()), float(rising.max()))


@cache
def _deltas(events: tuple[GaussianEvent, ...]) -> Scores:
    """Delta [len(LOSSES)] of the events at every epsilon of LOSSES."""
    accountant = dp_accounting.pld.PLDAccountant(value_discretization_interval=1e-3)
    for event in events:
        step = dp_accounting.GaussianDpEvent(event.noise_multiplier)
        sampled = step if event.rate == 1 else dp_accounting.PoissonSampledDpEvent(event.rate, step)
        accountant.compose(dp_accounting.SelfComposedDpEvent(sampled, event.steps))
    return np.array([accountant.get_delta(loss) for loss in LOSSES])
