"""The events of one run, as both ledgers store them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .accounting import GaussianEvent, epsilon_of

__all__ = ["EventRecord", "require_within_budget"]

ROUNDING = 1e-6  # tolerance for the accountant's own rounding


class EventRecord(NamedTuple):
    """Events of one run, each with its own purpose, and the purposes whose noisy result has been stored.

    Example:
        >>> event = GaussianEvent("class sums", 4.0)
        >>> len(EventRecord().with_events([event]).with_events([event]).events)  # a resumed run pays once
        1
    """

    events: tuple[GaussianEvent, ...] = ()
    released: tuple[str, ...] = ()

    def with_events(self, events: Iterable[GaussianEvent]) -> EventRecord:
        """Return a record that holds these events too.

        Raises:
            RuntimeError: if an event of the same purpose is recorded with other values.
        """
        recorded = {event.purpose: event for event in self.events}
        for event in events:
            if recorded.setdefault(event.purpose, event) != event:
                raise RuntimeError(
                    f"{event.purpose!r} is recorded with other values (noise multiplier, rate, steps). A result cannot "
                    "be released twice. Give another output_dir."
                )
        return self._replace(events=tuple(recorded.values()))

    def with_released(self, purpose: str) -> EventRecord:
        """Return a record in which this purpose is marked as released."""
        return self._replace(released=tuple(dict.fromkeys([*self.released, purpose])))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {"events": [event.to_dict() for event in self.events], "released": list(self.released)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> EventRecord:
        """Read a record that :meth:`to_dict` wrote; KeyError, TypeError or ValueError if it is damaged."""
        if not isinstance(record["released"], list):
            raise TypeError(f"expected a list of released purposes, got {record['released']!r}")
        return cls(tuple(GaussianEvent.from_dict(event) for event in record["events"]), tuple(record["released"]))


def require_within_budget(
    events: Sequence[GaussianEvent], epsilon: float, delta: float, refusal: Callable[[float], str]
) -> None:
    """Raise RuntimeError with the text ``refusal(total epsilon)`` if the events cost more than ``epsilon``."""
    total = epsilon_of(events, delta)
    if total > epsilon + ROUNDING:
        raise RuntimeError(refusal(total))
