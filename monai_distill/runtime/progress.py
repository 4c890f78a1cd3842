"""Progress of long loops: a bar on a terminal, a log line now and then elsewhere."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

__all__ = ["with_progress"]

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
FIRST, INTERVAL = 0.8, 30.0  # seconds until the first sign, and between two log lines
MANY = 1000  # fewer items write no log line


def with_progress(items: Iterable[Item], total: int, description: str) -> Iterator[Item]:
    """Yield ``items`` and show how many of ``total`` have passed.

    On a terminal a bar appears after 0.8 seconds. Elsewhere loops over at least 1000 items write a line to the log
    after 0.8 seconds and then every 30 seconds. Short loops show nothing.

    Example:
        >>> sum(with_progress([1, 2, 3], 3, "adding"))
        6
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=description, delay=FIRST)
        return
    due = time.monotonic() + FIRST
    for count, item in enumerate(items, start=1):
        yield item
        if total >= MANY and time.monotonic() >= due:
            logger.info("%s: %d of %d", description, count, total)
            due = time.monotonic() + INTERVAL
