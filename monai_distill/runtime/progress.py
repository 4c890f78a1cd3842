"""Progress of long loops: a bar on a terminal, a log line now and then elsewhere."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TypeAlias, TypeVar

from tqdm import tqdm

__all__ = ["MANY", "LoggedBar", "open_progress_bar", "with_progress"]

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Bar: TypeAlias = "tqdm | LoggedBar"
FIRST, INTERVAL = 0.8, 30.0  # seconds until the first sign, and between two log lines
MANY = 1000  # fewer items write no log line before INTERVAL


class LoggedBar:
    """Takes the place of a tqdm bar where no terminal is: a line in the log now and then.

    Later lines come after 30 seconds or a twentieth of the elapsed time.

    Args:
        total: number of units; 0 if it is not known.
        description: what is done.
        unit: name of a unit.
        initial: units that were done before.
        first_after: seconds until the first line.

    Example:
        >>> with LoggedBar(2, "adding") as bar:
        ...     bar.update()
        >>> bar.n
        1
    """

    def __init__(
        self, total: int, description: str, unit: str = "it", initial: int = 0, first_after: float = INTERVAL
    ) -> None:
        self.total = total
        self.description = description
        self.unit = unit
        self.n = initial
        self._initial = initial
        self._values: dict[str, str] = {}
        self._start = time.monotonic()
        self._due = self._start + first_after

    def __enter__(self) -> LoggedBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_postfix(self, values: Mapping[str, str], refresh: bool = False) -> None:
        """Values for the next line."""
        self._values = dict(values)

    def update(self, count: int = 1) -> None:
        """Count units, and write a line if one is due."""
        self.n += count
        now = time.monotonic()
        if now >= self._due:
            elapsed = now - self._start
            logger.info("%s", self._line(elapsed))
            self._due = now + max(INTERVAL, elapsed / 20)

    def close(self) -> None:
        """Nothing to do; tqdm has this method."""

    def _line(self, elapsed: float) -> str:
        values = "".join(f", {name} {value}" for name, value in self._values.items())
        of = f" of {self.total}" if self.total else ""
        line = f"{self.description}: {self.n}{of} {self.unit}{values}, {_clock(elapsed)} elapsed"
        done = self.n - self._initial
        left = elapsed / done * (self.total - self.n) if done else 0.0
        return f"{line}, about {_clock(left)} left" if left > 0 else line


def open_progress_bar(
    total: int, description: str, unit: str = "it", *, initial: int = 0, first: bool = True, soon: bool = False
) -> Bar:
    """A bar on a terminal after 0.8 seconds; elsewhere a :class:`LoggedBar`, whose first line comes after 30 seconds.

    Every long loop of the package shows its progress by this function.

    Args:
        total: number of units; 0 if it is not known.
        description: what is done.
        unit: name of a unit.
        initial: units that were done before.
        first: False in all but the first of several processes; they show nothing.
        soon: whether the first line of the log comes after 0.8 seconds too.

    Example:
        >>> with open_progress_bar(1, "adding") as bar:
        ...     _ = bar.update(1)
    """
    if sys.stderr.isatty() or not first:
        show = None if first else True
        return tqdm(total=total or None, desc=description, unit=unit, initial=initial, delay=FIRST, disable=show)
    return LoggedBar(total, description, unit, initial, FIRST if soon else INTERVAL)


def with_progress(items: Iterable[Item], total: int, description: str, unit: str = "files") -> Iterator[Item]:
    """Yield ``items`` and show how many of ``total`` have passed; 0 where the total is not known.

    On a terminal a bar appears after 0.8 seconds. Elsewhere loops over at least 1000 items, or over an unknown number,
    write a line to the log after 0.8 seconds and then every 30 seconds.

    Example:
        >>> sum(with_progress([1, 2, 3], 3, "adding"))
        6
    """
    with open_progress_bar(total, description, unit, soon=not total or total >= MANY) as bar:
        for item in items:
            yield item
            bar.update()


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
