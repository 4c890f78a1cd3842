"""The cost model of a run, part by part."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from typing import Any

from .counting import Unit
from .facts import DataFacts
from .timing import Rates

__all__ = ["PARTS", "Workload", "forecast"]

PARTS = ("start", "reading", "experts", "distillation", "validation", "scores")
START = Unit(5.0, 5.0)  # imports, before the clock of a run counts
WRITING = Unit(1.0, 1.0)  # pictures, report
HASHING = 4e-9  # seconds per byte of an image: hashes, duplicates, statistics
WORKERS_FROM = 2000  # images that several processes decode
SMALL_STEPS = 240  # of a student that ends at its plateau, at one image per class
GROWTH = 0.4  # exponent of that number in the images per class


@dataclasses.dataclass(frozen=True)
class Workload:
    """The settings of a run that decide its cost.

    Attributes:
        images_per_class: of the synthetic set, as the networks see it: a canvas is several.
        iterations: of the distillation.
        validate_every: iterations between two validations.
        validation_students: networks per validation.
        validation_steps: their SGD steps at most.
        students: networks per row of the score table.
        evaluation_steps: their SGD steps at most.
        full_students: networks on all training images.
        full_steps: their SGD steps at most.
        experts: trained networks; 0 for a method without.
        expert_epochs: passes of an expert over the training images.
        difficulty_epochs: passes of all networks that judge the images (PAD).
        plateau: whether students end when their loss stops falling.
        controls: rows of real images, as many as a set stores or shows.
        candidates: learning rates that the first student of a control tries.

    Example:
        >>> Workload.of({"iterations": 200, "validate_every": 60, "students": 5}).validations
        4
    """

    images_per_class: int = 1
    iterations: int = 100
    validate_every: int = 100
    validation_students: int = 5
    validation_steps: int = 300
    students: int = 5
    evaluation_steps: int = 1000
    full_students: int = 3
    full_steps: int = 5000
    experts: int = 0
    expert_epochs: int = 0
    difficulty_epochs: int = 0
    plateau: bool = True
    controls: int = 1
    candidates: int = 2

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Workload:
        """The workload of the settings of a run by name."""
        names = {field.name for field in dataclasses.fields(cls)} - {"plateau"}
        values = {name: int(value) for name, value in settings.items() if name in names and value is not None}
        values["expert_epochs"] = int(settings.get("expert_train_epochs", 0) or 0)
        judges = int(settings.get("difficulty_networks", 0) or 0)
        values["difficulty_epochs"] = judges * int(settings.get("difficulty_epochs", 0) or 0)
        return cls(**values, plateau=settings.get("student_schedule", "plateau") == "plateau")

    @property
    def validations(self) -> int:
        """How often it validates: at the end, too."""
        return -(-self.iterations // self.validate_every)

    @property
    def scored_students(self) -> int:
        """Students of the set and of its controls, whose first one tries every candidate."""
        return self.students * (1 + self.controls) + (self.candidates - 1) * self.controls

    def student_steps(self, limit: int) -> int:
        """Steps that a student of a small set takes of at most ``limit``."""
        usual = 50 * math.ceil(SMALL_STEPS * self.images_per_class**GROWTH / 50)
        return min(limit, usual) if self.plateau else limit


def forecast(work: Workload, facts: DataFacts, rates: Rates) -> dict[str, Unit]:
    """The cost of every part of a run; their sum is that of the run.

    Args:
        work: what the run does.
        facts: of the data.
        rates: of the machine at the run's network.

    Example:
        >>> unit = Unit(0.01, 0.01)
        >>> facts = DataFacts("scans", (30, 10), 5, 5, (1, 28, 28))
        >>> parts = forecast(Workload(iterations=100), facts, Rates(None, unit, unit, unit, unit, parameters=10))
        >>> round(parts["distillation"].wall, 6)
        1.0
    """
    step = rates.student_step
    validated = step * work.student_steps(work.validation_steps) + rates.predict * facts.validation
    scored = step * work.student_steps(work.evaluation_steps) + rates.predict * facts.test
    full = rates.full_step * work.full_steps + rates.predict * facts.test
    experts = Unit(0.0, 0.0)
    if rates.expert_image is not None:
        epochs = work.experts * work.expert_epochs + 1.5 * work.difficulty_epochs
        experts = rates.expert_image * (epochs * facts.training)
    return {
        "start": START,
        "reading": _reading(facts) + WRITING,
        "experts": experts,
        "distillation": rates.iteration * work.iterations,
        "validation": validated * (work.validations * work.validation_students),
        "scores": scored * work.scored_students + full * work.full_students,
    }


def _reading(facts: DataFacts) -> Unit:
    total = facts.training + facts.validation + facts.test
    decoding = total * facts.item_seconds
    hashing = total * facts.pixels * facts.shape[0] * HASHING
    workers = min(os.cpu_count() or 1, 8) if total >= WORKERS_FROM else 1
    return Unit(decoding / workers + hashing, decoding + hashing)
