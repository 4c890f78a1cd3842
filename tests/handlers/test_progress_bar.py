"""One bar for a whole run, right after a resume and after an error."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
from typing import Any

import pytest
from ignite.engine import Engine, Events

from monai_distill.handlers import ProgressBar
from monai_distill.runtime import progress

module = importlib.import_module("monai_distill.handlers.progress_bar")


class Bar:
    """Stands in for a bar and notes what happens to it."""

    made: list[Bar]

    def __init__(self, total: int, description: str, unit: str, **options: Any) -> None:
        self.options = {"total": total, "description": description, "unit": unit, **options}
        self.n = options["initial"]
        self.postfix: dict[str, str] = {}
        self.closed = False
        Bar.made.append(self)

    def update(self, count: int) -> None:
        self.n += count

    def set_postfix(self, values: dict[str, str], refresh: bool) -> None:
        self.postfix = values

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    monkeypatch.setattr(module, "open_progress_bar", Bar)
    monkeypatch.setattr(Bar, "made", [], raising=False)
    return Bar.made


def test_one_bar_counts_all_epochs_shows_values_and_is_closed(bars: list[Bar]) -> None:
    engine = Engine(lambda engine, batch: [{"loss": batch / 3, "other": 1.0}])
    ProgressBar("distilling", unit="it", show=("loss",)).attach(engine)
    engine.run([1, 2, 4], max_epochs=4)
    (bar,) = bars
    assert (bar.options["total"], bar.options["initial"], bar.n) == (12, 0, 12)
    assert (bar.options["description"], bar.options["unit"], bar.options["first"]) == ("distilling", "it", True)
    assert bar.postfix == {"loss": "1.33"}
    assert bar.closed


def test_a_second_run_gets_a_bar_of_its_own(bars: list[Bar]) -> None:
    engine = Engine(lambda engine, batch: [{}])
    ProgressBar("x").attach(engine)
    engine.run([0, 0], max_epochs=1)
    engine.run([0, 0], max_epochs=1)
    assert [bar.n for bar in bars] == [2, 2]


@pytest.mark.parametrize("iteration", [4, 5])
def test_a_resumed_run_goes_on_where_it_was_though_the_state_is_loaded_after_the_bar_was_attached(
    bars: list[Bar], iteration: int
) -> None:
    engine = Engine(lambda engine, batch: [{}])
    ProgressBar("x").attach(engine)
    state = {"iteration": iteration, "epoch_length": 2, "max_epochs": 4}
    engine.add_event_handler(Events.STARTED, lambda engine: engine.load_state_dict(state))
    engine.run([0, 0], max_epochs=4)
    (bar,) = bars
    assert (bar.options["initial"], bar.options["total"], bar.n) == (iteration, 8, 8)


def test_an_error_closes_the_bar_reaches_later_handlers_and_is_raised(bars: list[Bar]) -> None:
    def fail(engine: Engine, batch: int) -> list[dict[str, float]]:
        if batch:
            raise ValueError("the cause")
        return [{}]

    heard: list[BaseException] = []
    engine = Engine(fail)
    ProgressBar("x").attach(engine)
    engine.add_event_handler(Events.EXCEPTION_RAISED, lambda engine, error: heard.append(error))
    with pytest.raises(ValueError, match="the cause") as caught:
        engine.run([0, 1], max_epochs=1)
    assert set(heard) == {caught.value}  # ignite tells of an error in an iteration twice
    assert [(bar.closed, bar.n) for bar in bars] == [(True, 1)]


def test_an_error_before_the_first_epoch_is_raised_without_a_bar(bars: list[Bar]) -> None:
    def refuse(engine: Engine) -> None:
        raise RuntimeError("refused")

    engine = Engine(lambda engine, batch: [{}])
    ProgressBar("x").attach(engine)
    engine.add_event_handler(Events.STARTED, refuse)
    with pytest.raises(RuntimeError, match="refused"):
        engine.run([0])
    assert bars == []


def test_a_short_run_writes_nothing_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    engine = Engine(lambda engine, batch: [{"loss": 1.0}])
    ProgressBar("x", show=("loss",)).attach(engine)
    engine.run([0, 1], max_epochs=2)
    assert capfd.readouterr() == ("", "")


def test_without_a_terminal_the_log_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter(range(0, 10_000, 10))  # ten seconds an iteration
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    caplog.set_level("INFO", logger="monai_distill.runtime.progress")
    engine = Engine(lambda engine, batch: [{"loss": 0.25}])
    ProgressBar("distilling", show=("loss",)).attach(engine)
    engine.run([0, 0, 0, 0], max_epochs=2)
    assert [record.getMessage() for record in caplog.records] == [
        "distilling: 3 of 8 it, loss 0.25, 0:00:30 elapsed, about 0:00:50 left",
        "distilling: 6 of 8 it, loss 0.25, 0:01:00 elapsed, about 0:00:20 left",
    ]


def test_a_shorter_last_epoch_is_not_counted_whole(bars: list[Bar]) -> None:
    engine = Engine(lambda engine, batch: [{}])
    engine.last_iteration = 3  # as a Distiller has it
    ProgressBar("x").attach(engine)
    engine.run([0, 0], max_epochs=2)
    assert bars[0].options["total"] == 3
