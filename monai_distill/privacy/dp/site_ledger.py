"""The privacy ledger of a site: the total epsilon of all runs on the same records."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from monai_distill.runtime.atomic_file import atomic_write

from .accounting import GaussianEvent, epsilon_of, noise_multiplier_for
from .event_record import EventRecord, require_within_budget

__all__ = ["SiteLedger"]

VERSIONS = 1e-3  # relative tolerance: versions of the accountant round differently
PATIENCE = 10.0  # seconds; recording an event takes less than one


class _Run(NamedTuple):
    """One run in the file."""

    dataset: str
    record: EventRecord

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> _Run:
        return cls(str(content["dataset"]), EventRecord.from_dict(content))

    def to_dict(self) -> dict[str, Any]:
        return {"dataset": self.dataset, **self.record.to_dict()}


class _Content(NamedTuple):
    """The file's content."""

    budget: float
    runs: dict[str, _Run]

    def events(self) -> list[GaussianEvent]:
        return [event for run in self.runs.values() for event in run.record.events]


class SiteLedger:
    """Adds up the events of all runs on the same records in one file, and refuses a run that exceeds the budget.

    Each run has an identifier, so that a resumed run pays once. The ledger does not ask which records a run used: it
    assumes that every record was in every run. Epsilon is computed from the events each time and never taken from the
    file.

    Deviation: the networks of the DP-SGD row (:class:`DPModel`) are not recorded, because they are not released.

    Args:
        file: JSON file shared by all runs.
        epsilon: budget of all runs together; required for a new file, and fixed afterwards.
        delta: budget; the same in every run.
        unit: ``"patient"`` or ``"image"``; the same in every run.
        dataset: name of the run's data set, for people who read the file.
        patience: seconds to wait while another run writes.

    Raises:
        ValueError: for a new file without epsilon, or in a folder that does not exist.
        RuntimeError: if the file cannot be read or was edited, has another unit, delta or budget, is locked by another
            run, or if its budget would be exceeded (the message gives what is left).

    Example:
        >>> import tempfile
        >>> site = SiteLedger(tempfile.mkdtemp() + "/site.json", epsilon=1.5, delta=1e-5, unit="image")
        >>> site.enter("first run", GaussianEvent("class sums", 4.0))
        >>> site.enter("first run", GaussianEvent("class sums", 4.0))  # resumed
        >>> round(site.spent(), 2), round(site.left(), 1)
        (0.93, 1.1)
    """

    def __init__(
        self,
        file: str | Path,
        *,
        epsilon: float | None = None,
        delta: float,
        unit: str,
        dataset: str = "",
        patience: float = PATIENCE,
    ) -> None:
        self.file = Path(file)
        self.epsilon = epsilon
        self.delta = delta
        self.unit = unit
        self.dataset = dataset
        self.patience = patience

    def check(self, run: str, events: Sequence[GaussianEvent]) -> None:
        """Raise what :meth:`enter` would raise for these events; nothing is recorded."""
        with self._locked() as content:
            self._added(content, run, events)

    def enter(self, run: str, event: GaussianEvent) -> None:
        """Charge one event of one run; the same event again costs nothing."""
        with self._locked() as content:
            self._write(self._added(content, run, [event]))

    def mark_released(self, run: str, purpose: str) -> None:
        """Record that a run has stored the result of an event: no copy of the run may release it again."""
        with self._locked() as content:
            recorded = content.runs.get(run)
            if recorded is not None and purpose not in recorded.record.released:
                marked = recorded._replace(record=recorded.record.with_released(purpose))
                self._write(content._replace(runs={**content.runs, run: marked}))

    def released(self, run: str) -> list[str]:
        """Purposes of a run's events whose result was stored, by the run or by a copy of it."""
        with self._locked() as content:
            return list(content.runs[run].record.released) if run in content.runs else []

    def spent(self) -> float:
        """Epsilon of all runs so far."""
        with self._locked() as content:
            return epsilon_of(content.events(), self.delta)

    def left(self) -> float:
        """Largest epsilon that one more run could have, if it makes one full-batch release; 0 if nothing is left."""
        with self._locked() as content:
            return self._left(content)

    def _write(self, content: _Content) -> None:
        written = {
            "budget": {"epsilon": content.budget, "delta": self.delta},
            "unit": self.unit,
            "spent": epsilon_of(content.events(), self.delta),
            "accountant": f"dp-accounting {importlib.metadata.version('dp-accounting')}, privacy loss distribution",
            "runs": {name: run.to_dict() for name, run in content.runs.items()},
        }
        atomic_write(self.file, json.dumps(written, indent=2).encode())

    def _added(self, content: _Content, run: str, events: Sequence[GaussianEvent]) -> _Content:
        """The content with these events of the run, within the budget."""
        recorded = content.runs.get(run, _Run(self.dataset, EventRecord()))
        charged = recorded._replace(record=recorded.record.with_events(events))
        added = content._replace(runs={**content.runs, run: charged})
        purposes = ", ".join(repr(event.purpose) for event in events)
        require_within_budget(
            added.events(),
            content.budget,
            self.delta,
            lambda total: (
                f"{purposes} would raise epsilon of all runs in {self.file} to {total:.4g}, beyond its budget of "
                f"{content.budget:g} at delta {self.delta:g}. {self._advice(content)}"
            ),
        )
        return added

    def _advice(self, content: _Content) -> str:
        left = self._left(content)
        if left < 0.01:
            return "The site's privacy budget is used up; no further run on these records is allowed."
        return f"The rest allows one more run of --epsilon {left:.2f} (class sums), or less for trained experts."

    def _left(self, content: _Content) -> float:
        before = content.events()
        try:
            sigma = noise_multiplier_for(lambda s: [*before, GaussianEvent("more", s)], content.budget, self.delta)
        except RuntimeError:  # no noise is enough
            return 0.0
        return epsilon_of([GaussianEvent("more", sigma)], self.delta)

    @contextmanager
    def _locked(self) -> Iterator[_Content]:
        """The file's content, while no other run can read or write it."""
        if not self.file.parent.is_dir():
            raise ValueError(
                f"Expected a folder for the ledger {self.file}; {self.file.parent} does not exist. Make it."
            )
        try:
            with FileLock(f"{self.file}.lock", timeout=self.patience):
                yield self._read() if self.file.exists() else self._new()
        except Timeout:
            raise RuntimeError(
                f"{self.file} has been locked by another run for more than {self.patience:g} seconds. Wait for that "
                "run, then start this one again with --resume true."
            ) from None

    def _new(self) -> _Content:
        if self.epsilon is None:
            raise ValueError(
                f"Expected a budget for the new ledger {self.file}: give --ledger_epsilon, the epsilon of all runs on "
                "these records together. If earlier runs used another file, give that file."
            )
        return _Content(self.epsilon, {})

    def _read(self) -> _Content:
        try:
            written: dict[str, Any] = json.loads(self.file.read_text())
            runs = {name: _Run.from_dict(run) for name, run in written["runs"].items()}
            stated, unit = float(written["spent"]), written["unit"]
            delta, budget = float(written["budget"]["delta"]), float(written["budget"]["epsilon"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RuntimeError(
                f"Cannot read the ledger {self.file}: {error}. Restore it from a copy; a new file would forget what "
                "was spent."
            ) from None
        expected = (self.unit, self.delta, budget if self.epsilon is None else self.epsilon)
        if (unit, delta, budget) != expected:
            raise RuntimeError(
                f"{self.file} has unit, delta and epsilon {(unit, delta, budget)}, this run has {expected}: they "
                "cannot be added up. Give the run the ledger's values (--delta, --ledger_epsilon), or use another file "
                "for other records."
            )
        content = _Content(budget, runs)
        spent = epsilon_of(content.events(), self.delta)
        if abs(spent - stated) > VERSIONS * max(stated, 1.0):
            raise RuntimeError(
                f"{self.file} states that epsilon {stated:.4g} was spent, but its events cost {spent:.4g}: the file "
                "was edited. Restore it from a copy."
            )
        return content
