"""A workload that ends in time: what is given up first, by how much, and where time that is left goes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from .cost import Workload
from .counting import Unit

__all__ = ["fitted", "given_up", "total"]

SCORES, VALIDATION = 1 / 3, 0.15  # shares of the time, at most, while the distillation could use it
# students per row, students on all images, their steps: later ones cost less
SCORING = (
    *((1.0, 1.0, 1.0), (1.0, 0.66, 1.0), (1.0, 0.33, 1.0), (1.0, 0.33, 0.5), (0.6, 0.33, 0.5), (0.6, 0.33, 0.2)),
    (0.6, 0.0, 0.2),
)
SELECTING = ((1, 1.0), (1, 0.6), (2, 0.6), (2, 0.4), (4, 0.4), (8, 0.4))  # rounds per validation, its students
SCALES = tuple(round(0.02 * step, 2) for step in range(1, 151))  # of iterations and experts
LEAST = {"iterations": 20, "experts": 2, "students": 3, "full_steps": 200, "validation_students": 2}
Model = Callable[[Workload], Mapping[str, Unit]]


def total(parts: Mapping[str, Unit], clock: str = "wall") -> float:
    """Seconds of all parts: wall seconds, or ``cpu``.

    Example:
        >>> total({"experts": Unit(1.0, 2.0), "scores": Unit(2.0, 3.0)}, "cpu")
        5.0
    """
    return float(sum(getattr(unit, clock) for unit in parts.values()))


def fitted(
    work: Workload,
    model: Model,
    seconds: float,
    *,
    clock: str = "wall",
    fixed: Collection[str] = (),
    most: float = 1.0,
) -> Workload:
    """The largest workload, at most ``work``, whose cost is at most ``seconds``; the smallest one if none is.

    Scores get at most a third of the time, and validation 15 percent. Iterations and experts share the rest. What they
    do not use up goes back to validation and scores, then to more iterations.

    Args:
        work: the workload without a limit.
        model: the cost of a workload by part.
        seconds: that the run may take.
        clock: ``wall`` or ``cpu``: which seconds count.
        fixed: names of fields that must not change.
        most: how often the iterations (and experts, up to twice) of ``work`` may be taken where time is left.

    Example:
        >>> free = {"scores": Unit(0, 0), "validation": Unit(0, 0)}
        >>> cost = lambda work: {"distillation": Unit(work.iterations, 0), **free}
        >>> fitted(Workload(iterations=100), cost, 50.0).iterations
        50
    """
    return _Fit(work, model, seconds, clock, fixed).fitted(most)


@dataclasses.dataclass(frozen=True)
class _Fit:
    """The search for one workload."""

    work: Workload
    model: Model
    seconds: float
    clock: str
    fixed: Collection[str]

    def fitted(self, most: float) -> Workload:
        fit = self.work
        if not self._fits(fit):
            scored = list(self._scored(fit))
            cheap = (work for work in scored if self._cost(work, "scores") <= SCORES * self.seconds)
            fit = self._scaled(next(cheap, scored[-1]))
            for richer in (self._selected, self._scored):  # the time that the distillation cannot use up
                fit = next((work for work in richer(fit) if self._fits(work)), fit)
        if fit != self.work:
            return fit
        larger = (self._sized(fit, scale) for scale in reversed(SCALES) if 1 < scale <= most)
        return next((work for work in larger if self._fits(work)), fit)

    def _cost(self, work: Workload, *parts: str) -> float:
        of = self.model(work)
        return sum(float(getattr(of[part], self.clock)) for part in parts or tuple(of))

    def _fits(self, work: Workload) -> bool:
        return self._cost(work) <= self.seconds

    def _scaled(self, fit: Workload) -> Workload:
        """As many iterations and experts as fit, under the finest selection that takes its share of the time."""
        scales = [scale for scale in reversed(SCALES) if scale <= 1]
        for selected in self._selected(fit):
            sizes = [self._sized(selected, scale) for scale in scales]
            largest = next((work for work in sizes if self._fits(work)), sizes[-1])
            if self._cost(largest, "validation") <= VALIDATION * self.seconds:
                break
        return largest

    def _scored(self, fit: Workload) -> Iterator[Workload]:
        for students, full, steps in SCORING:
            yield self._changed(fit, students=students, full_students=full, full_steps=steps)

    def _selected(self, fit: Workload) -> Iterator[Workload]:
        for rounds, students in SELECTING:
            yield self._changed(fit, validate_every=rounds, validation_students=students)

    def _sized(self, fit: Workload, scale: float) -> Workload:
        return self._changed(fit, iterations=scale, experts=min(scale, 2.0))

    def _changed(self, fit: Workload, **factors: float) -> Workload:
        """``fit`` with the sizes of the full workload times ``factors``, where they may change."""
        full = {name: getattr(self.work, name) for name in factors if name not in self.fixed}
        sizes = {name: math.ceil(of * factors[name] - 1e-9) for name, of in full.items()}
        least = {name: min(LEAST.get(name, 1), full[name]) if sizes[name] else 0 for name in sizes}
        return dataclasses.replace(fit, **{name: max(least[name], size) for name, size in sizes.items()})


def given_up(full: Workload, fit: Workload) -> list[str]:
    """The sizes that the time did not allow, as short phrases.

    Example:
        >>> given_up(Workload(iterations=300, students=5), Workload(iterations=120, students=3, validate_every=200))
        ['iterations 120 of 300', 'validate_every 200 instead of 100', 'students 3 of 5']
    """
    names = [field.name for field in dataclasses.fields(Workload)]
    values: list[tuple[str, Any, Any]] = [(name, getattr(fit, name), getattr(full, name)) for name in names]
    return [
        f"{name} {now} {'instead of' if name == 'validate_every' else 'of'} {before}"
        for name, now, before in values
        if (now > before if name == "validate_every" else now < before)
    ]
