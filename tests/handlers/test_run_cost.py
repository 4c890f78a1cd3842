"""Seconds go to the innermost part, survive failures and resumes, and are shared where the work is."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Engine

from monai_distill.handlers import RunCost
from monai_distill.runtime.memory import PeakMemory


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class Memory(PeakMemory):
    """A peak that is set by hand."""

    def __init__(self, peak: float) -> None:
        super().__init__("cpu")
        self.peak = peak

    def mebibytes(self) -> float:
        return self.peak


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cost_of(tmp_path: Path, clock: Clock) -> Callable[..., RunCost]:
    def made(run: str = "run", peak: float = 1.0, **options: Any) -> RunCost:
        (tmp_path / run).mkdir(exist_ok=True)
        cost = RunCost(tmp_path / run / "cost.json", Memory(peak), clock=clock, **options)
        cost.start()
        return cost

    return made


def test_a_validation_inside_a_distillation_is_charged_to_validation_alone(
    cost_of: Callable[..., RunCost], clock: Clock
) -> None:
    cost = cost_of()
    validator = Engine(lambda engine, batch: clock.pass_by(5))
    cost.attach(validator)

    def distil() -> str:
        clock.pass_by(3)
        validator.run([0, 1], max_epochs=1)
        clock.pass_by(4)
        return "done"

    clock.pass_by(2)
    assert cost.measured("distillation", distil) == "done"
    clock.pass_by(1)
    assert cost.report()["seconds"] == {"distillation": 7.0, "validation": 10.0, "other": 3.0}


def test_work_that_fails_is_counted_and_the_next_is_charged_rightly(
    cost_of: Callable[..., RunCost], clock: Clock
) -> None:
    cost = cost_of()

    def failing(engine: Any = None, batch: Any = None) -> None:
        clock.pass_by(2)
        raise RuntimeError("broken")

    validator = Engine(failing)
    cost.attach(validator)
    with pytest.raises(RuntimeError, match="broken"):
        cost.measured("distillation", lambda: validator.run([0]))
    clock.pass_by(1)
    assert cost.report()["seconds"] == {"distillation": 0.0, "validation": 2.0, "other": 1.0}


def test_a_resumed_run_adds_its_times_up_and_keeps_the_higher_peak(
    cost_of: Callable[..., RunCost], clock: Clock
) -> None:
    def stopped() -> None:
        clock.pass_by(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cost_of(peak=9.0).measured("distillation", stopped)
    cost = cost_of(peak=4.0, resume=True)
    cost.measured("distillation", lambda: clock.pass_by(2))
    assert (cost.report()["seconds"]["distillation"], cost.report()["peak_memory_mib"]) == (5.0, 9.0)
    cost.forget("distillation")
    assert "distillation" not in cost.report()["seconds"]
    assert cost_of(resume=False).report()["seconds"] == {"other": 0.0}


def test_every_run_that_shares_experts_reports_what_they_took(
    cost_of: Callable[..., RunCost], clock: Clock, tmp_path: Path
) -> None:
    shared = {"experts": tmp_path / "experts" / "cost.json"}
    for run, seconds in (("first", 60.0), ("second", 0.0)):
        cost = cost_of(run, shared=shared)
        cost.measured("experts", lambda seconds=seconds: clock.pass_by(seconds))
        assert cost.report()["seconds"] == {"experts": 60.0, "other": 0.0}
    again = cost_of("first", shared=shared, resume=True)  # not the shared time on top of itself
    assert again.report()["seconds"]["experts"] == 60.0
    assert json.loads(shared["experts"].read_text())["seconds"] == 60.0
