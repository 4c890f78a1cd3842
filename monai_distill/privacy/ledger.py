"""The account of a run: what was told of the records, and what it cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill import processes
from monai_distill.whole_file import write_whole

from .accounting import epsilon_of, true_positive_bound
from .gaussian_event import GaussianEvent
from .site_ledger import SiteLedger

__all__ = ["PrivacyLedger"]

UNITS = ("patient", "image")
FALSE_POSITIVE_RATES = (0.001, 0.01)
SLACK = 1e-6  # of the accountants' own rounding


class PrivacyLedger:
    """Keeps the events of one run within a budget and writes them, with what they cost, to ``ledger.json``.

    What is computed from a release afterwards costs nothing and is no event. The ledger knows this run alone: the same
    patients distilled twice pay twice, which the ledger of the site adds up, where one is given.

    Args:
        file: where the ledger is written after every entry; None for nowhere.
        epsilon: the budget.
        delta: its other half.
        unit: ``"patient"`` or ``"image"``: what one record is, whose presence the guarantee hides.
        site: charged as well, before this ledger; None for none.

    Raises:
        ValueError: for another unit.
        RuntimeError: from :meth:`check` and :meth:`enter`, when the event would go beyond the budget, of the run or of
            the site; in a job of several processes, of which each would tell what it computes with noise of its own.

    Example:
        >>> ledger = PrivacyLedger(None, epsilon=1.0, delta=1e-5, unit="image")
        >>> ledger.enter(GaussianEvent("class sums", 4.0))
        >>> ledger.spent() < 1.0
        True
    """

    def __init__(
        self, file: str | Path | None, *, epsilon: float, delta: float, unit: str, site: SiteLedger | None = None
    ) -> None:
        if unit not in UNITS:
            raise ValueError(f"Expected a unit of {UNITS}, got {unit!r}.")
        processes.refuse_several("A run with --epsilon")
        self.file = None if file is None else Path(file)
        self.epsilon = epsilon
        self.delta = delta
        self.unit = unit
        self.site = site
        self.events: dict[str, GaussianEvent] = {}
        kept = json.loads(self.file.read_text()) if self.file is not None and self.file.exists() else {}
        self.run: str = kept.get("run", "") or (secrets.token_hex(8) if site is not None else "")
        self._charged: list[dict[str, Any]] = kept.get("events", []) if "run" in kept else []

    def check(self, events: Sequence[GaussianEvent]) -> None:
        """Refuse now what :meth:`enter` would refuse later; nothing is entered."""
        self._refuse_beyond([*self.events.values(), *events], events[-1].purpose)
        fresh = [event for event in events if event.told() not in self._charged]
        if self.site is not None and fresh:
            self.site.check(self.run, fresh)

    def enter(self, event: GaussianEvent) -> None:
        """Enter one event; the same one again, as a resumed run finds it, is entered once."""
        if self.events.get(event.purpose) == event:
            return
        if event.purpose in self.events:
            raise RuntimeError(f"{event.purpose!r} has been told before, with other numbers. It cannot be told twice.")
        self._refuse_beyond([*self.events.values(), event], event.purpose)
        if self.site is not None and event.told() not in self._charged:
            self._write()  # who this is, so that a run that is interrupted here is known again
            self.site.enter(self.run, event)
        self.events[event.purpose] = event
        self._write()

    def _write(self) -> None:
        if self.file is not None:
            write_whole(self.file, json.dumps(self.told(), indent=2).encode())

    def _refuse_beyond(self, events: Sequence[GaussianEvent], purpose: str) -> None:
        total = epsilon_of(events, self.delta)
        if total > self.epsilon + SLACK:
            raise RuntimeError(
                f"{purpose!r} would raise epsilon to {total:.4g}, beyond the budget of {self.epsilon:g} at delta "
                f"{self.delta:g}. Give it more noise, or raise epsilon before the run."
            )

    def spent(self, accountant: str = "pld") -> float:
        """Epsilon of all events so far."""
        return epsilon_of(list(self.events.values()), self.delta, accountant) if self.events else 0.0

    def told(self) -> dict[str, Any]:
        """The ledger as plain JSON values."""
        return {
            **({"run": self.run} if self.run else {}),
            "events": [event.told() for event in self.events.values()],
            "epsilon": self.spent(),
            "delta": self.delta,
            "unit": self.unit,
            "neighbours": f"one {self.unit} added or removed",
            "accountant": f"dp-accounting {importlib.metadata.version('dp-accounting')}, privacy loss distribution",
            "epsilon_by_renyi_cross_check": self.spent("rdp"),
            "budget": {"epsilon": self.epsilon, "delta": self.delta},
            "true_positive_rate_at_most": {str(rate): self._bound(rate) for rate in FALSE_POSITIVE_RATES},
        }

    def statement(self) -> dict[str, Any]:
        """The block ``privacy`` of a manifest: epsilon is the budget, which what was spent is within."""
        if not self.events:
            raise RuntimeError("Nothing has been told yet, so there is nothing to state.")
        weaker = "" if self.unit == "patient" else " A patient with several images is covered less: the unit is one."
        if self.epsilon > 10:
            weaker += " An epsilon above 10 hinders reconstruction at most; it says nothing of membership."
        return {
            "tier": "T2",
            "unit": self.unit,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "statement": (
                f"Differentially private with epsilon {self.epsilon:g} and delta {self.delta:g} per {self.unit} of the "
                f"training section (one added or removed): {', '.join(self.events)}. All else was computed from these. "
                f"Whoever takes 0.1 percent of strangers for members finds at most {100 * self._bound(0.001):.3g} "
                f"percent of the members.{weaker} Not covered: validation and test images, which only give scores; "
                "scores of networks trained on real images; floating-point and timing side channels; what was done "
                "before. This is no legal determination."
            ),
        }

    def _bound(self, false_positive_rate: float) -> float:
        return true_positive_bound(self.epsilon, self.delta, false_positive_rate)
