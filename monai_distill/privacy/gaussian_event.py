"""What was done to the records, in the words that an accountant reads."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["GaussianEvent"]


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
