"""A workload that ends in time: what is given up first, and by how much."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .cost import Workload
from .counting import Unit

__all__ = ["fitted", "given_up", "total"]

SCORES, VALIDATION = 1 / 3, 0.15  # shares of the time, at most
# students per row, students on all images, their steps: later ones cost less
SCORING = (
    *((1.0, 1.0, 1.0), (1.0, 0.67, 1.0), (1.0, 0.34, 1.0), (1.0, 0.34, 0.5), (0.6, 0.34, 0.25), (0.6, 0.34, 0.2)),
    (0.6, 0.0, 0.2),
)
SELECTING = ((1.0, 1.0), (1.0, 0.6), (0.8, 0.4), (0.6, 0.4), (0.4, 0.4), (0.4, 0.2))  # validations, students of each
SCALES = tuple(round(0.02 * step, 2) for step in range(1, 151))  # of iterations and experts
LEAST = {"iterations": 20, "experts": 2, "students": 3, "full_steps": 200}
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
    grow: bool = False,
) -> Workload:
    """The largest workload, at most ``work``, whose cost is at most ``seconds``; the smallest one if none is.

    Scores get at most a third of the time, and validation 15 percent. Iterations and experts share the rest.

    Args:
        work: the workload without a limit.
        model: the cost of a workload by part.
        seconds: that the run may take.
        clock: ``wall`` or ``cpu``: which seconds count.
        fixed: names of fields that must not change.
        grow: whether iterations and experts may also grow, up to threefold.

    Example:
        >>> free = {"scores": Unit(0, 0), "validation": Unit(0, 0)}
        >>> cost = lambda work: {"distillation": Unit(work.iterations, 0), **free}
        >>> fitted(Workload(iterations=100), cost, 50.0).iterations
        50
    """

    def cost(candidate: Workload, *parts: str) -> float:
        of = model(candidate)
        return sum(float(getattr(of[part], clock)) for part in parts or tuple(of))

    def change(**shares: float) -> Workload:
        sizes = {name: getattr(work, name) * share for name, share in shares.items() if name not in fixed}
        least = {name: min(LEAST.get(name, 1), getattr(work, name)) if size else 0 for name, size in sizes.items()}
        return dataclasses.replace(work, **{name: max(least[name], math.ceil(s - 1e-9)) for name, s in sizes.items()})

    if not grow and cost(work) <= seconds:
        return work
    for students, full, steps in SCORING:
        scored = change(students=students, full_students=full, full_steps=steps)
        if cost(scored, "scores") <= SCORES * seconds:
            break
    work = scored
    for often, students in SELECTING:
        selected = change(validations=often, validation_students=students)
        if cost(selected, "validation") <= VALIDATION * seconds:
            break
    work = selected
    scales = [scale for scale in SCALES if grow or scale <= 1]
    sizes = [change(iterations=scale, experts=min(scale, 2.0)) for scale in scales]
    return next((size for size in reversed(sizes) if cost(size) <= seconds), sizes[0])


def given_up(full: Workload, fit: Workload) -> list[str]:
    """The sizes that the time did not allow, as short phrases.

    Example:
        >>> given_up(Workload(iterations=300, students=5), Workload(iterations=120, students=3))
        ['iterations 120 of 300', 'students 3 of 5']
    """
    names = [field.name for field in dataclasses.fields(Workload)]
    values: list[tuple[str, Any, Any]] = [(name, getattr(fit, name), getattr(full, name)) for name in names]
    return [f"{name} {less} of {more}" for name, less, more in values if less < more]
