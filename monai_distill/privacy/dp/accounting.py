"""From events to epsilon, and from epsilon to the noise that keeps it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from monai.utils import optional_import

__all__ = ["GaussianEvent", "epsilon_of", "ledger_epsilon", "noise_multiplier_for", "true_positive_bound"]


class GaussianEvent(NamedTuple):
    """A sum of clipped vectors, one per record, told with Gaussian noise; every record is in it with probability rate.

    Neighbours are data sets that differ by one record added or removed; one record moves the sum by at most the clip.

    Attributes:
        purpose: what the sum was for; told in the ledger.
        noise_multiplier: standard deviation of the noise over the clip.
        rate: probability of Poisson sampling; 1 for all records every time.
        steps: how often it was done, each time with fresh noise.

    Raises:
        ValueError: from :meth:`checked`, for numbers that no such mechanism has.

    Example:
        >>> GaussianEvent("class sums", 2.0).checked().rate
        1.0
    """

    purpose: str
    noise_multiplier: float
    rate: float = 1.0
    steps: int = 1

    def checked(self) -> GaussianEvent:
        """The event itself when its numbers make sense."""
        if not (0 < self.noise_multiplier < float("inf") and 0 < self.rate <= 1 and self.steps >= 1):
            raise ValueError(
                "Expected a finite noise multiplier above 0, a rate above 0 and up to 1 and at least 1 step, got "
                f"{tuple(self[1:])}. A mechanism without noise has no guarantee to account for."
            )
        return self

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> GaussianEvent:
        """The event that :meth:`told` wrote, checked.

        Raises:
            KeyError: when a number is missing.
            ValueError: for numbers that no such mechanism has.
        """
        return cls(told["purpose"], told["noise_multiplier"], told["rate"], told["steps"]).checked()

    def told(self) -> dict[str, Any]:
        """The event as plain JSON values."""
        kind = "gaussian" if self.rate == 1 else "poisson subsampled gaussian"
        return {"mechanism": kind, **self._asdict()}


SMALLEST = 0.2  # noise multiplier: epsilon is beyond any use there, and its privacy loss distribution needs gigabytes
STEP = 1e-3  # of the discretised privacy loss; finer above 1,000 compositions, whose errors add up


def epsilon_of(events: Sequence[GaussianEvent], delta: float, accountant: str = "pld") -> float:
    """The epsilon that ``events`` together cost at ``delta``, add-or-remove neighbours.

    References:
        Koskela et al., Computing Tight Differential Privacy Guarantees Using FFT, AISTATS 2020 (privacy loss
        distributions, ``"pld"``); Mironov et al., Renyi Differential Privacy of the Sampled Gaussian Mechanism, 2019
        (``"rdp"``, looser: a cross-check). Both by Google's ``dp-accounting``.

    Raises:
        ValueError: for an unknown accountant, an event of impossible numbers or a delta outside (0, 1).
        ImportError: without ``dp-accounting``.

    Example:
        >>> round(epsilon_of([GaussianEvent("sums", 3.7306)], 1e-5), 2)
        1.0
    """
    if accountant not in ("pld", "rdp"):
        raise ValueError(f"Expected the accountant pld or rdp, got {accountant!r}.")
    _require_delta(delta)
    made = _accountant(accountant, sum(event.checked().steps for event in events))
    with _quiet():
        for event in events:
            made.compose(_composed([event]))
        return float(made.get_epsilon(delta))


def ledger_epsilon(events: Sequence[Mapping[str, Any]], delta: float) -> float:
    """The epsilon of events as a ledger writes them, added up anew.

    Raises:
        KeyError: when an event lacks a number.
        ValueError: for an event of impossible numbers.

    Example:
        >>> round(ledger_epsilon([GaussianEvent("sums", 3.7306).told()], 1e-5), 2)
        1.0
    """
    return epsilon_of([GaussianEvent.of(event) for event in events], delta)


def noise_multiplier_for(
    events_at: Callable[[float], Sequence[GaussianEvent]], epsilon: float, delta: float, tolerance: float = 2e-3
) -> float:
    """The smallest noise multiplier, to ``tolerance``, whose events cost at most ``epsilon`` at ``delta``.

    Args:
        events_at: all that will be done, given the noise multiplier.
        epsilon: the budget.
        delta: the budget's other half.
        tolerance: relative; the result errs to the side of more noise.

    Raises:
        ValueError: for a budget that is not above 0, or a delta outside (0, 1).
        RuntimeError: when no noise multiplier up to 10,000 keeps the budget.

    Example:
        >>> round(noise_multiplier_for(lambda sigma: [GaussianEvent("sums", sigma)], 1.0, 1e-5), 1)
        3.7
    """
    if not 0 < epsilon < float("inf"):
        raise ValueError(f"Expected an epsilon above 0 and finite, got {epsilon}. Common are 1, 3 and 8.")
    _require_delta(delta)
    cheap = _bisected(lambda sigma: epsilon_of(events_at(sigma), delta, "rdp"), epsilon, 0.0, 1.0, 0.02)
    return _bisected(lambda sigma: epsilon_of(events_at(sigma), delta), epsilon, 0.7 * cheap, cheap, tolerance)


def true_positive_bound(epsilon: float, delta: float, false_positive_rate: float) -> float:
    """The share of members that an attack can name at most, if it names that share of the others wrongly.

    References:
        Kairouz et al., The Composition Theorem for Differential Privacy, ICML 2015, theorem 2.1.

    Example:
        >>> [round(true_positive_bound(epsilon, 1e-5, 0.001), 4) for epsilon in (1.0, 3.0, 8.0)]
        [0.0027, 0.0201, 0.9997]
    """
    rising = math.exp(min(epsilon, 700.0)) * false_positive_rate + delta
    falling = 1 - math.exp(-epsilon) * (1 - delta - false_positive_rate)
    return min(rising, falling, 1.0)


def _bisected(cost: Callable[[float], float], epsilon: float, low: float, high: float, tolerance: float) -> float:
    """The upper end of a bracket of relative width ``tolerance`` around the noise multiplier that costs epsilon."""
    while cost(high) > epsilon:
        low, high = high, 2 * high
        if high > 1e4:
            raise RuntimeError(f"No noise multiplier up to 10000 keeps epsilon {epsilon}. Do less, or raise epsilon.")
    while high - low > tolerance * high:
        middle = (low + high) / 2
        if middle < SMALLEST:
            break
        low, high = (low, middle) if cost(middle) <= epsilon else (middle, high)
    return high


def _require_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise ValueError(f"Expected a delta between 0 and 1, well below 1 over the number of records, got {delta}.")


def _accountant(name: str, compositions: int) -> Any:
    accounting = _dp_accounting()
    if name == "rdp":
        return accounting.rdp.RdpAccountant()
    return accounting.pld.PLDAccountant(value_discretization_interval=STEP * min(1.0, 1e3 / compositions))


def _composed(events: Sequence[GaussianEvent]) -> Any:
    accounting = _dp_accounting()
    parts = []
    for event in events:
        one = accounting.GaussianDpEvent(event.noise_multiplier)
        part = one if event.rate == 1 else accounting.PoissonSampledDpEvent(event.rate, one)
        parts.append(accounting.SelfComposedDpEvent(part, event.steps))
    return accounting.ComposedDpEvent(parts)


def _dp_accounting() -> Any:
    module, found = optional_import("dp_accounting")
    if not found:
        raise ImportError("A guarantee needs dp-accounting: pip install 'monai-distill[privacy]'.")
    optional_import("dp_accounting.pld")
    optional_import("dp_accounting.rdp")
    return module


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The moments accountant warns of every order that it leaves out, which is no news to anybody."""
    logging, _ = optional_import("absl.logging")
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)
