"""The step at which a student's loss stops falling: it shortens the schedule of every row by the same rule."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

from monai_distill.runtime.validation import require_in_interval, require_positive_int

__all__ = ["Plateau", "plateau_rule"]


@dataclasses.dataclass(frozen=True)
class Plateau:
    """Ends the first half of a student's schedule when its training loss stops falling; the second half is as long.

    The mean loss of every ``window`` steps is compared with that of the window before. The learning rate drops when
    this mean fell twice in a row by less than the share ``fall``, or lies below ``floor``. It drops after half of the
    protocol's steps at the latest, as without a plateau. Each student ends by its own training loss alone: no held-out
    image takes part, and no other student of its row.

    Deviation: the field trains every student for a fixed number of epochs (1000). That protocol has no plateau.

    Args:
        window: steps whose losses are averaged.
        fall: the share by which the mean loss must fall.
        floor: a mean loss in nats at which the images are learned.

    Raises:
        ValueError: if the window is empty, or a number is not within its limits.

    Example:
        >>> rule = Plateau(fall=0.1)
        >>> [rule.reached(losses) for losses in ([2.0, 1.0], [1.1, 1.05, 1.0], [1.0, 0.001])]
        [False, True, True]
    """

    window: int = 50
    fall: float = 0.02
    floor: float = 0.01

    def __post_init__(self) -> None:
        require_positive_int(window=self.window)
        require_in_interval("(0, 1)", fall=self.fall)
        require_in_interval("[0, inf)", floor=self.floor)

    def reached(self, means: Sequence[float]) -> bool:
        """Whether a student is done with its first half, by the mean losses of its windows so far."""
        last = means[-1]
        if not math.isfinite(last) or last < self.floor:  # diverged: nothing is gained by further steps
            return True
        pairs = list(itertools.pairwise(means[-3:]))
        return len(pairs) == 2 and all(after > (1 - self.fall) * before for before, after in pairs)

    def config(self) -> dict[str, Any]:
        """The rule as plain JSON values."""
        return dataclasses.asdict(self)


def plateau_rule(name: str) -> Plateau | None:
    """The rule by its name in the configuration: ``plateau``, or ``published`` for schedules of fixed length.

    Raises:
        ValueError: for another name.

    Example:
        >>> plateau_rule("published") is None, plateau_rule("plateau").window
        (True, 50)
    """
    if name not in ("plateau", "published"):
        raise ValueError(f"Expected plateau or published for the students' schedule, got {name!r}.")
    return Plateau() if name == "plateau" else None
