"""The account of a run: what was told of the records, and what it cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.runtime import processes
from monai_distill.runtime.atomic_file import atomic_write

from .accounting import GaussianEvent, epsilon_of, true_positive_bound
from .site_ledger import SiteLedger

__all__ = ["PrivacyLedger"]

UNITS = ("patient", "image")
FALSE_POSITIVE_RATES = (0.001, 0.01)
SLACK = 1e-6  # of the accountants' own rounding


class PrivacyLedger:
    """Keeps the events of one run within a budget and writes them, with what they cost, to ``ledger.json``.

    What is computed from a release afterwards costs nothing and is no event. The ledger knows this run alone: the same
    patients distilled twice pay twice, which the ledger of the site adds up, where one is given. What the file says is
    never forgotten: an event that was entered stays, and one whose outcome was kept (:meth:`mark_released`) is not told
    again with fresh noise when that outcome has gone (:meth:`require_not_released`). Two copies of a run folder are
    one run; only the ledger of the site can see that both would tell.

    Args:
        file: where the ledger is written after every entry; None for nowhere.
        epsilon: the budget.
        delta: its other half.
        unit: ``"patient"`` or ``"image"``: what one record is, whose presence the guarantee hides.
        site: charged as well, before this ledger; None for none.

    Raises:
        ValueError: for another unit.
        RuntimeError: from :meth:`check` and :meth:`enter`, when the event would go beyond the budget, of the run or of
            the site; when the file cannot be read; in a job of several processes, of which each would tell what it
            computes with noise of its own.

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
        processes.require_single_process("A run with --epsilon")
        self.file = None if file is None else Path(file)
        self.epsilon = epsilon
        self.delta = delta
        self.unit = unit
        self.site = site
        kept = _read(self.file)
        self.events: dict[str, GaussianEvent] = {event.purpose: event for event in kept["events"]}
        self.run: str = kept["run"] or (secrets.token_hex(8) if site is not None else "")
        self._charged = [event.told() for event in kept["events"]] if kept["run"] else []
        self._told: list[str] = kept["told"]

    def check(self, events: Sequence[GaussianEvent]) -> None:
        """Refuse now what :meth:`enter` would refuse later; nothing is entered."""
        self._refuse_beyond(self._with(events), events[-1].purpose)
        fresh = [event for event in events if event.told() not in self._charged]
        if self.site is not None and fresh:
            self.site.check(self.run, fresh)

    def enter(self, event: GaussianEvent) -> None:
        """Enter one event; the same one again, as a resumed run finds it, is entered once."""
        uncharged = self.site is not None and event.told() not in self._charged
        if self.events.get(event.purpose) == event and not uncharged:
            return
        self._refuse_beyond(self._with([event]), event.purpose)
        if self.site is not None and uncharged:
            self._write()  # who this is, so that a run that is interrupted here is known again
            self.site.enter(self.run, event)
            self._charged.append(event.told())
        self.events[event.purpose] = event
        self._write()

    def require_not_released(self, event: GaussianEvent) -> None:
        """Raise when the event was told before: to be asked where what was told then is not there any more.

        Raises:
            RuntimeError: telling it again would cost its budget again, and nobody would have added that up.
        """
        elsewhere = self.site.told(self.run) if self.site is not None else []
        if event.purpose in (*self._told, *elsewhere):
            raise RuntimeError(
                f"{event.purpose!r} was told before, by this run or a copy of it, says the ledger, but its outcome is "
                "not here. Told again, with fresh noise, it would cost its budget a second time. Bring the file back, "
                "or begin a run of its own with another output_dir, which pays again."
            )

    def mark_released(self, event: GaussianEvent) -> None:
        """Note that the event's outcome has been kept; from now on it cannot be drawn anew in this run."""
        if event.purpose not in self._told:
            self._told.append(event.purpose)
            self._write()
            if self.site is not None:
                self.site.mark_released(self.run, event.purpose)

    def _with(self, events: Sequence[GaussianEvent]) -> list[GaussianEvent]:
        """All events so far and these, each once."""
        for event in events:
            if self.events.get(event.purpose, event) != event:
                raise RuntimeError(
                    f"{event.purpose!r} has been told before, with other numbers. It cannot be told twice. Give "
                    "another output_dir."
                )
        return list({**self.events, **{event.purpose: event for event in events}}.values())

    def _write(self) -> None:
        if self.file is not None:
            atomic_write(self.file, json.dumps(self.told(), indent=2).encode())

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
            "told": self._told,
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
                f"percent of the members.{weaker} Taken as known to all: class names, and that every class has an "
                "image; image size; every setting, also one that was tuned on such images; which images are the "
                "training section (a drawn split depends on all of them). Not covered: validation and test images, "
                "which only give scores; scores of networks trained on real images; floating-point and timing side "
                "channels; other releases of the same images; what was done before. This is no legal determination."
            ),
        }

    def _bound(self, false_positive_rate: float) -> float:
        return true_positive_bound(self.epsilon, self.delta, false_positive_rate)


def _read(file: Path | None) -> dict[str, Any]:
    """What the file of an earlier start of this run says: ``run``, ``events`` and ``told``."""
    if file is None or not file.exists():
        return {"run": "", "events": [], "told": []}
    try:
        content = json.loads(file.read_text())
        events = [GaussianEvent.of(event) for event in content["events"]]
        return {"run": content.get("run", ""), "events": events, "told": list(content.get("told", []))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RuntimeError(
            f"Cannot read the ledger {file}: {error}. Bring it back from a copy, or give another output_dir; without "
            "it what was told would be forgotten."
        ) from None
