"""Privacy accounting: epsilon of a list of events, and the noise that keeps a budget."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from monai.utils import optional_import

from monai_distill.runtime.validation import require_in_interval, require_positive_int

__all__ = ["GaussianEvent", "epsilon_of", "ledger_epsilon", "noise_multiplier_for", "true_positive_bound"]


class GaussianEvent(NamedTuple):
    """One use of the Gaussian mechanism: a sum of clipped vectors, one per record, released with Gaussian noise.

    Each record is in the sum with probability ``rate``. Neighboring data sets differ by one record, added or removed;
    one record moves the sum by at most the clip.

    Attributes:
        purpose: what the sum is used for; recorded in the ledger.
        noise_multiplier: standard deviation of the noise divided by the clip.
        rate: probability of Poisson sampling; 1 if every record is in every sum.
        steps: number of releases, each with new noise.

    Raises:
        ValueError: from :meth:`validated`, for values that no such mechanism can have.

    Example:
        >>> GaussianEvent("class sums", 2.0).validated().rate
        1.0
    """

    purpose: str
    noise_multiplier: float
    rate: float = 1.0
    steps: int = 1

    def validated(self) -> GaussianEvent:
        """Return the event itself if its values are possible."""
        no_noise = "A mechanism without noise has no guarantee to account for."
        require_in_interval("(0, inf)", no_noise, noise_multiplier=self.noise_multiplier)
        require_in_interval("(0, 1]", "It is the probability that a record is sampled.", rate=self.rate)
        require_positive_int("It is the number of releases.", steps=self.steps)
        return self

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> GaussianEvent:
        """Read an event that :meth:`to_dict` wrote.

        Raises:
            KeyError: if a value is missing.
            ValueError: for values that no such mechanism can have.
        """
        return cls(record["purpose"], record["noise_multiplier"], record["rate"], record["steps"]).validated()

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain JSON values."""
        kind = "gaussian" if self.rate == 1 else "poisson subsampled gaussian"
        return {"mechanism": kind, **self._asdict()}


MIN_NOISE = 0.2  # noise multiplier: below it epsilon is useless, and the privacy loss distribution needs gigabytes
INTERVAL = 1e-3  # of the discretized privacy loss; finer above 1,000 compositions, whose errors add up


def epsilon_of(events: Sequence[GaussianEvent], delta: float, accountant: str = "pld") -> float:
    """Total epsilon of ``events`` at ``delta``, for neighbors that differ by one record added or removed.

    References:
        Koskela et al., Computing Tight Differential Privacy Guarantees Using FFT, AISTATS 2020,
        https://arxiv.org/abs/1906.03049 (``"pld"``, privacy loss distributions). Mironov et al., Renyi Differential
        Privacy of the Sampled Gaussian Mechanism, 2019, https://arxiv.org/abs/1908.10530 (``"rdp"``, a looser bound,
        used as a cross-check). Google's ``dp-accounting`` implements both.

    Raises:
        ValueError: for an unknown accountant, an event with impossible values or a delta outside (0, 1).
        ImportError: without ``dp-accounting``.

    Example:
        >>> round(epsilon_of([GaussianEvent("sums", 3.7306)], 1e-5), 2), epsilon_of([], 1e-5)
        (1.0, 0.0)
    """
    if accountant not in ("pld", "rdp"):
        raise ValueError(f"Expected the accountant pld or rdp, got {accountant!r}.")
    _require_delta(delta)
    if not events:
        return 0.0
    costs = tuple((e.noise_multiplier, e.rate, e.steps) for e in (event.validated() for event in events))
    _dp_accounting()
    return _composed_epsilon(costs, delta, accountant)


@functools.lru_cache(maxsize=4096)
def _composed_epsilon(costs: tuple[tuple[float, float, int], ...], delta: float, accountant: str) -> float:
    """A run computes the same composition many times: for the noise, before and after every release, for the report."""
    composition = _accountant(accountant, sum(steps for _, _, steps in costs))
    with _quiet():
        for cost in costs:
            composition.compose(_dp_event(*cost))
        return float(composition.get_epsilon(delta))


def ledger_epsilon(events: Sequence[Mapping[str, Any]], delta: float) -> float:
    """Total epsilon of a ledger's events, computed from the events and not read from the file.

    Raises:
        KeyError: if an event lacks a value.
        ValueError: for an event with impossible values.

    Example:
        >>> round(ledger_epsilon([GaussianEvent("sums", 3.7306).to_dict()], 1e-5), 2)
        1.0
    """
    return epsilon_of([GaussianEvent.from_dict(event) for event in events], delta)


def noise_multiplier_for(
    events_at: Callable[[float], Sequence[GaussianEvent]], epsilon: float, delta: float, tolerance: float = 2e-3
) -> float:
    """Smallest noise multiplier, within ``tolerance``, whose events cost at most ``epsilon`` at ``delta``.

    Args:
        events_at: maps a noise multiplier to all events of the run.
        epsilon: budget.
        delta: budget.
        tolerance: relative; the result errs on the side of more noise.

    Raises:
        ValueError: for an epsilon that is not above 0 and finite, or a delta outside (0, 1).
        RuntimeError: if no noise multiplier up to 10,000 keeps the budget.

    Example:
        >>> round(noise_multiplier_for(lambda sigma: [GaussianEvent("sums", sigma)], 1.0, 1e-5), 1)
        3.7
    """
    require_in_interval("(0, inf)", "Common values are 1, 3 and 8.", epsilon=epsilon)
    _require_delta(delta)
    cheap = _bisected(lambda sigma: epsilon_of(events_at(sigma), delta, "rdp"), epsilon, 0.0, 1.0, 0.02)
    return _bisected(lambda sigma: epsilon_of(events_at(sigma), delta), epsilon, 0.7 * cheap, cheap, tolerance)


def true_positive_bound(epsilon: float, delta: float, false_positive_rate: float) -> float:
    """Largest true-positive rate of any membership attack with this false-positive rate.

    References:
        Kairouz et al., The Composition Theorem for Differential Privacy, ICML 2015, theorem 2.1,
        https://arxiv.org/abs/1311.0776.

    Example:
        >>> [round(true_positive_bound(epsilon, 1e-5, 0.001), 4) for epsilon in (1.0, 3.0, 8.0)]
        [0.0027, 0.0201, 0.9997]
    """
    rising = math.exp(min(epsilon, 700.0)) * false_positive_rate + delta
    falling = 1 - math.exp(-epsilon) * (1 - delta - false_positive_rate)
    return min(rising, falling, 1.0)


def _bisected(cost: Callable[[float], float], epsilon: float, low: float, high: float, tolerance: float) -> float:
    """Bisect for the noise multiplier that costs epsilon; return the upper end of the last bracket."""
    while cost(high) > epsilon:
        low, high = high, 2 * high
        if high > 1e4:
            raise RuntimeError(
                f"No noise multiplier up to 10000 keeps epsilon {epsilon}. Plan fewer steps, or raise epsilon."
            )
    while high - low > tolerance * high:
        middle = (low + high) / 2
        if middle < MIN_NOISE:
            break
        low, high = (low, middle) if cost(middle) <= epsilon else (middle, high)
    return high


def _require_delta(delta: float) -> None:
    require_in_interval("(0, 1)", "Choose it well below 1 / (number of records).", delta=delta)


def _accountant(name: str, compositions: int) -> Any:
    accounting = _dp_accounting()
    if name == "rdp":
        return accounting.rdp.RdpAccountant()
    return accounting.pld.PLDAccountant(value_discretization_interval=INTERVAL * min(1.0, 1e3 / compositions))


def _dp_event(noise_multiplier: float, rate: float, steps: int) -> Any:
    accounting = _dp_accounting()
    step = accounting.GaussianDpEvent(noise_multiplier)
    sampled = step if rate == 1 else accounting.PoissonSampledDpEvent(rate, step)
    return accounting.SelfComposedDpEvent(sampled, steps)


def _dp_accounting() -> Any:
    module, is_installed = optional_import("dp_accounting")
    if not is_installed:
        raise ImportError("A privacy guarantee needs dp-accounting: pip install 'monai-distill[privacy]'.")
    optional_import("dp_accounting.pld")
    optional_import("dp_accounting.rdp")
    return module


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the Renyi accountant's warning about each order that it skips."""
    logging, _ = optional_import("absl.logging")
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)
