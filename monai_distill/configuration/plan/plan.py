"""The plan of a run: its data, machine, settings with reasons, and its cost, before it starts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from monai_distill.runtime.memory_forecast import MemoryForecast

from .counting import Unit
from .facts import DataFacts, MachineFacts
from .request import Request
from .rules import Choice

__all__ = ["Plan", "plain_values"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings of a run, and its cost.

    Attributes:
        request: what was requested.
        data: properties of the data.
        machine: the device.
        settings: that the plan chose, by name.
        given_up: what the time did not allow.
        parts: cost by part; empty where nothing was timed.
        note: why nothing was timed, or that the time is too short.
        room: memory and disk; None where they were not computed.
    """

    request: Request
    data: DataFacts
    machine: MachineFacts
    settings: Mapping[str, Choice]
    given_up: Sequence[str] = ()
    parts: Mapping[str, Unit] = dataclasses.field(default_factory=dict)
    note: str = ""
    room: MemoryForecast | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The chosen settings by name."""
        return plain_values(self.settings)

    def arguments(self) -> dict[str, Any]:
        """The arguments of ``monai.bundle.run``."""
        return self.request.composed(self.values)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values; seconds by part."""
        seconds = {name: round(unit.wall, 2) for name, unit in self.parts.items()}
        return {
            "dataset": self.request.dataset,
            "method": self.request.method,
            "effort": self.request.effort or (None if self.request.minutes or not self.request.decides else "standard"),
            "minutes": self.request.minutes,
            "data": self.data.to_dict(),
            "machine": dataclasses.asdict(self.machine),
            "settings": {name: dataclasses.asdict(choice) for name, choice in self.settings.items()},
            "given_up": list(self.given_up),
            "forecast": {
                "seconds": seconds,
                "cpu_seconds": {name: round(unit.cpu, 2) for name, unit in self.parts.items()},
                **self._room(),
            },
            "note": self.note,
        }

    def _room(self) -> dict[str, Any]:
        """Bytes by part, of the images, and of host memory, GPU memory and new files in all."""
        if self.room is None:
            return {}
        kind = self.machine.device
        stored = {"images": self.room.data, "images_are_on": self.room.place}
        memory = {**self.room.parts, "reading": self.room.reading, **stored}
        totals = {"host_bytes": self.room.host(kind), "gpu_bytes": self.room.device(kind), "disk_bytes": self.room.disk}
        return {"memory_bytes": memory, **totals}


def plain_values(settings: Mapping[str, Choice]) -> dict[str, Any]:
    """The values of settings by name.

    Example:
        >>> plain_values({"width": Choice(32, "effort standard")})
        {'width': 32}
    """
    return {name: choice.value for name, choice in settings.items()}
