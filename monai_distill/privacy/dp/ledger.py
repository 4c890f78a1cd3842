"""The privacy ledger of one run: what was released about the records, and its epsilon."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.processes import group

from .accounting import GaussianEvent, epsilon_of, true_positive_bound
from .event_record import EventRecord, require_within_budget
from .records import UNITS
from .site_ledger import SiteLedger

__all__ = ["PrivacyLedger"]

FALSE_POSITIVE_RATES = (0.001, 0.01)


class PrivacyLedger:
    """Records the events of one run in ``ledger.json`` and refuses an event that exceeds the budget.

    An event is recorded before the data are read. Computations on a released result cost nothing and are not recorded.
    Recorded events stay in the file. When the result of an event has been stored, :meth:`mark_released` notes it; if
    that result is lost later, :meth:`require_not_released` refuses to draw new noise for it, because a second release
    would cost the budget again.

    The ledger covers one run. Pass ``site`` to add up all runs on the same records: two runs on the same patients cost
    both budgets. Two copies of a run folder count as one run; only the site ledger notices if both release a result.

    Args:
        file: where the ledger is written after every change; None writes nothing.
        epsilon: budget.
        delta: budget.
        unit: ``"patient"`` or ``"image"``: the record whose presence the guarantee hides.
        site: ledger of the site, charged before this one; None for no site ledger.

    Raises:
        ValueError: for another unit.
        RuntimeError: from :meth:`check` and :meth:`enter`, if an event would exceed the budget of the run or of the
            site; if the file cannot be read, or has another unit or delta; in a job of several processes, where each
            process would add noise of its own.

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
        group.require_single_process("A run with --epsilon")
        self.file = None if file is None else Path(file)
        self.epsilon = epsilon
        self.delta = delta
        self.unit = unit
        self.site = site
        content = _read(self.file)
        run, self.record = str(content.get("run", "")), EventRecord.from_dict({**EventRecord().to_dict(), **content})
        self.checksums = {name: content.get(name) for name in ("set_sha256", "images_sha256")}
        if content and (content["unit"], content["delta"]) != (unit, delta):
            raise RuntimeError(
                f"{self.file} was written for unit {content['unit']} and delta {content['delta']:g}, this run has unit "
                f"{unit} and delta {delta:g}: its events were not released for these records. Give another output_dir."
            )
        self.run = run or (secrets.token_hex(8) if site is not None else "")
        self._charged = set(self.record.events) if run else set()

    @property
    def events(self) -> dict[str, GaussianEvent]:
        """Recorded events by purpose."""
        return {event.purpose: event for event in self.record.events}

    def check(self, events: Sequence[GaussianEvent]) -> None:
        """Raise what :meth:`enter` would raise for these events; nothing is recorded."""
        self._added(events)
        new = [event for event in events if event not in self._charged]
        if self.site is not None and new:
            self.site.check(self.run, new)

    def enter(self, event: GaussianEvent) -> None:
        """Record one event. The same event again, as in a resumed run, is recorded once."""
        uncharged = self.site is not None and event not in self._charged
        if event in self.record.events and not uncharged:
            return
        record = self._added([event])
        if self.site is not None and uncharged:
            self._write()  # stores the run's identifier, so that a run that is interrupted here is recognized
            self.site.enter(self.run, event)
            self._charged.add(event)
        self.record = record
        self._write()

    def require_not_released(self, event: GaussianEvent) -> None:
        """Refuse to draw the noise of an event again. Call this if the stored result of the event is missing.

        Raises:
            RuntimeError: if the event was released before, by this run or by a copy of it.
        """
        elsewhere = self.site.released(self.run) if self.site is not None else []
        if event.purpose in (*self.record.released, *elsewhere):
            raise RuntimeError(
                f"The ledger says that {event.purpose!r} was released before, by this run or a copy of it, but the "
                "stored result is missing. A second release with new noise would cost the budget again. Restore the "
                "file, or start a new run with another output_dir, which pays again."
            )

    def mark_released(self, event: GaussianEvent) -> None:
        """Record that the result of the event has been stored; this run cannot draw it again."""
        if event.purpose not in self.record.released:
            self.record = self.record.with_released(event.purpose)
            self._write()
            if self.site is not None:
                self.site.mark_released(self.run, event.purpose)

    def bind_set(self, sha256: str, images_sha256: str | None = None) -> None:
        """Record the checksums of the set that was computed from the released results.

        A claim rests on this ledger only for the set with these checksums.

        Args:
            sha256: of all tensors.
            images_sha256: of the images alone, for a release with class numbers in place of learned labels.

        Raises:
            RuntimeError: if no result has been released.
        """
        self.statement()
        self.checksums = {"set_sha256": sha256, "images_sha256": images_sha256}
        self._write()

    def _added(self, events: Sequence[GaussianEvent]) -> EventRecord:
        """The record with these events, within the budget."""
        record = self.record.with_events(events)
        require_within_budget(
            record.events,
            self.epsilon,
            self.delta,
            lambda total: (
                f"{events[-1].purpose!r} would raise epsilon to {total:.4g}, beyond the budget of {self.epsilon:g} at "
                f"delta {self.delta:g}. Give the event more noise, or raise epsilon before the run."
            ),
        )
        return record

    def _write(self) -> None:
        if self.file is not None:
            atomic_write(self.file, json.dumps(self.to_dict(), indent=2).encode())

    def spent(self, accountant: str = "pld") -> float:
        """Epsilon of all recorded events."""
        return epsilon_of(self.record.events, self.delta, accountant)

    def to_dict(self) -> dict[str, Any]:
        """Return the ledger as plain JSON values."""
        return {
            **({"run": self.run} if self.run else {}),
            **self.record.to_dict(),
            "epsilon": self.spent(),
            "delta": self.delta,
            "unit": self.unit,
            **self.checksums,
            "neighbors": f"one {self.unit} added or removed",
            "accountant": f"dp-accounting {importlib.metadata.version('dp-accounting')}, privacy loss distribution",
            "epsilon_by_renyi_cross_check": self.spent("rdp"),
            "budget": {"epsilon": self.epsilon, "delta": self.delta},
            "true_positive_rate_at_most": {str(rate): self._bound(rate) for rate in FALSE_POSITIVE_RATES},
        }

    def statement(self) -> dict[str, Any]:
        """Return the ``privacy`` block of a manifest; its epsilon is the budget, which bounds what was spent."""
        if not self.record.events:
            raise RuntimeError("The ledger has no events: nothing has been released, so there is nothing to state.")
        weaker = "" if self.unit == "patient" else " A patient with several images is protected less than one image."
        if self.epsilon > 10:
            weaker += " An epsilon above 10 at most hinders reconstruction; it says nothing of membership."
        return {
            "tier": "T2",
            "unit": self.unit,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "statement": (
                f"Differentially private with epsilon {self.epsilon:g} and delta {self.delta:g} per {self.unit} of the "
                f"training section (one added or removed). Released with noise: {', '.join(self.events)}. Everything "
                "else was computed from these results. A membership attack that wrongly accuses 0.1 percent of "
                f"non-members finds at most {100 * self._bound(0.001):.4g} percent of the members.{weaker} Treated as "
                "public: class names, and that every class has an image; image size; every setting, even if it was "
                f"tuned on such images; a split that the data give (a drawn one depends on each {self.unit} alone). "
                "Not covered: validation and test images, which only give scores; scores of networks trained on real "
                "images; floating-point and timing side channels; other releases of the same images; earlier "
                "processing of the images. This is no legal determination."
            ),
        }

    def _bound(self, false_positive_rate: float) -> float:
        return true_positive_bound(self.epsilon, self.delta, false_positive_rate)


def _read(file: Path | None) -> dict[str, Any]:
    """The content of the file that an earlier start of this run wrote; empty without a file."""
    if file is None or not file.exists():
        return {}
    try:
        content: dict[str, Any] = json.loads(file.read_text())
        EventRecord.from_dict(content)
        str(content["unit"]), float(content["delta"])
        return content
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RuntimeError(
            f"Cannot read the ledger {file}: {error}. Restore it from a copy, or give another output_dir. Without the "
            "ledger nobody would know what was released."
        ) from None
