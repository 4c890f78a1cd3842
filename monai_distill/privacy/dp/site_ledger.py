"""The account of a site: what all runs on the same records cost together."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from monai_distill.runtime.atomic_file import atomic_write

from .accounting import GaussianEvent, epsilon_of, noise_multiplier_for

__all__ = ["SiteLedger"]

SLACK = 1e-6  # of the accountants' own rounding
ROUNDING = 1e-3  # relative, between versions of the accountant
PATIENCE = 10.0  # seconds; entering an event takes less than one


class SiteLedger:
    """Adds up the events of every run that may have seen the same records, in one file, and keeps them in one budget.

    A run is known by an identifier of its own, so that a resumed one pays once. Which records a run saw is not asked:
    one file stands for everybody whose images it may have been, and each of them is taken to have been in every run.
    What one run cost is told again and again by the accountant from the events, never read from the file.

    Deviation: the networks of the DP-SGD row (:class:`DPModel`) are not entered, because they are not released.

    Args:
        file: where it is kept, for all runs; JSON.
        epsilon: what all runs together may spend; to be said when the file is new, and not to be changed later.
        delta: its other half; the same in every run.
        unit: ``"patient"`` or ``"image"``; the same in every run.
        dataset: name of the run's data set, for whoever reads the file.
        patience: seconds to wait for another run that is writing.

    Raises:
        ValueError: when the file is new and no epsilon is given, or its folder is not there.
        RuntimeError: when the file cannot be read or was changed by hand, counts another unit, delta or budget, is
            held by another run, or would go beyond its budget (which says how much is left).

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
        """Refuse now what :meth:`enter` would refuse later; nothing is entered."""
        with self._held() as content:
            self._added(content, run, events)

    def enter(self, run: str, event: GaussianEvent) -> None:
        """Charge one event of one run; the same one again costs nothing."""
        with self._held() as content:
            self._write(content, self._added(content, run, [event]))

    def mark_released(self, run: str, purpose: str) -> None:
        """Note that a run has kept what an event told: a copy of its folder may not tell it again."""
        with self._held() as content:
            own = content["runs"].get(run)
            if own is not None and purpose not in own.get("told", []):
                told = {**own, "told": [*own.get("told", []), purpose]}
                self._write(content, {**content["runs"], run: told})

    def told(self, run: str) -> list[str]:
        """Purposes of a run's events whose outcome has been kept, by it or by a copy of it."""
        with self._held() as content:
            return list(content["runs"].get(run, {}).get("told", []))

    def spent(self) -> float:
        """Epsilon of all runs so far."""
        with self._held() as content:
            return self._cost(_events(content["runs"]))

    def left(self) -> float:
        """The largest epsilon that one more run, of one full-batch release, could be given; 0 for none."""
        with self._held() as content:
            return self._left(content)

    def _write(self, content: dict[str, Any], runs: dict[str, Any]) -> None:
        written = {
            "budget": content["budget"],
            "unit": self.unit,
            "spent": self._cost(_events(runs)),
            "accountant": f"dp-accounting {importlib.metadata.version('dp-accounting')}, privacy loss distribution",
            "runs": runs,
        }
        atomic_write(self.file, json.dumps(written, indent=2).encode())

    def _added(self, content: dict[str, Any], run: str, events: Sequence[GaussianEvent]) -> dict[str, Any]:
        """The runs with some more events, within the budget."""
        own = content["runs"].get(run, {"dataset": self.dataset, "events": []})
        told = [event.told() for event in events]
        both = [*own["events"], *(event for event in told if event not in own["events"])]
        if len({event["purpose"] for event in both}) < len(both):
            raise RuntimeError(f"{self.file}: this run has told {_purposes(told)} before, with other numbers.")
        runs = {**content["runs"], run: {**own, "events": both}}
        total, budget = self._cost(_events(runs)), content["budget"]["epsilon"]
        if total > budget + SLACK:
            raise RuntimeError(
                f"{_purposes(told)} would raise epsilon of all runs in {self.file} to {total:.4g}, beyond its budget "
                f"of {budget:g} at delta {self.delta:g}. {self._way_out(content)}"
            )
        return runs

    def _way_out(self, content: dict[str, Any]) -> str:
        left = self._left(content)
        if left < 0.01:
            return "Nothing is left of it: whose images these are have been told of as much as was settled."
        return f"What is left allows one more run of --epsilon {left:.2f} (class sums), less for trained experts."

    def _left(self, content: dict[str, Any]) -> float:
        before, budget = _events(content["runs"]), content["budget"]["epsilon"]
        try:
            sigma = noise_multiplier_for(lambda s: [*before, GaussianEvent("more", s)], budget, self.delta)
        except RuntimeError:  # no noise is enough
            return 0.0
        return epsilon_of([GaussianEvent("more", sigma)], self.delta)

    def _cost(self, events: Sequence[GaussianEvent]) -> float:
        return epsilon_of(events, self.delta) if events else 0.0

    @contextmanager
    def _held(self) -> Iterator[dict[str, Any]]:
        """What the file says, while no other run may read or write it."""
        if not self.file.parent.is_dir():
            raise ValueError(f"Expected a folder for the ledger {self.file}, got none at {self.file.parent}. Make it.")
        try:
            with FileLock(f"{self.file}.lock", timeout=self.patience):
                yield self._read() if self.file.exists() else self._new()
        except Timeout:
            raise RuntimeError(
                f"{self.file} is held by another run for more than {self.patience:g} seconds. Wait for it, then start "
                "this one again with --resume true."
            ) from None

    def _new(self) -> dict[str, Any]:
        if self.epsilon is None:
            raise ValueError(
                f"Expected a budget for the new ledger {self.file}: give --ledger_epsilon, the epsilon that all runs "
                "on these records may spend together. Or is this another file than that of the runs before?"
            )
        return {"budget": {"epsilon": self.epsilon, "delta": self.delta}, "unit": self.unit, "runs": {}}

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.file.read_text())
            events, said = _events(content["runs"]), float(content["spent"])
            kept = (content["unit"], float(content["budget"]["delta"]), float(content["budget"]["epsilon"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RuntimeError(
                f"Cannot read the ledger {self.file}: {error}. Bring it back from a copy; a new one would forget what "
                "was spent."
            ) from None
        asked = (self.unit, self.delta, kept[2] if self.epsilon is None else self.epsilon)
        if kept != asked:
            words = "unit, delta and budget of epsilon"
            raise RuntimeError(
                f"{self.file} counts {words} {kept}, this run {asked}: they do not add up. Give the run the ledger's "
                "(--delta, --ledger_epsilon), or take another file for other records."
            )
        if abs(self._cost(events) - said) > ROUNDING * max(said, 1.0):
            raise RuntimeError(
                f"{self.file} says that {said:.4g} was spent, its events cost {self._cost(events):.4g}: it was changed "
                "by hand. Bring it back from a copy."
            )
        return content


def _events(runs: dict[str, Any]) -> list[GaussianEvent]:
    """The events of all runs, checked."""
    told = [event for run in runs.values() for event in run["events"]]
    return [GaussianEvent.of(event) for event in told]


def _purposes(told: Sequence[dict[str, Any]]) -> str:
    return ", ".join(repr(event["purpose"]) for event in told)
