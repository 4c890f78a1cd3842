"""A run that was interrupted, killed or out of disk goes on as if nothing had happened, or is refused by name."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import Trainer
from monai.engines.utils import IterationEvents

from monai_distill.handlers import ProgressBar, ResumableState

EPOCHS, LENGTH = 3, 4


class Job:
    """Descends a quadratic with momentum; ``at`` maps an iteration to what happens inside it."""

    def __init__(self, at: dict[int, Callable[[], None]] | None = None) -> None:
        self.layer = torch.nn.Linear(2, 1, bias=False)
        torch.nn.init.ones_(self.layer.weight)
        self.optimizer = torch.optim.SGD(self.layer.parameters(), lr=0.1, momentum=0.9)
        self.done: list[int] = []
        self.at = at or {}
        self.engine = Engine(self._iteration)

    def _iteration(self, engine: Engine, batch: int) -> list[dict[str, float]]:
        iteration = engine.state.iteration
        self.optimizer.zero_grad()
        loss = (self.layer.weight - 1 / iteration).square().sum()
        loss.backward()
        self.optimizer.step()
        self.done.append(iteration)
        if iteration in self.at:
            self.at[iteration]()
        return [{"loss": float(loss.detach())}]

    def run(self, file: Path, resume: bool = False, interval: int = 20, job: Any = None) -> torch.Tensor:
        handler = ResumableState(
            file, {"layer": self.layer, "optimizer": self.optimizer}, job=job or {}, resume=resume, interval=interval
        )
        ProgressBar("x").attach(self.engine)  # a handler that hears of errors before this one, as in configs/
        handler.attach(self.engine)
        self.engine.run(range(LENGTH), max_epochs=EPOCHS)
        return self.layer.weight.detach().clone()


class Killed(Exception):  # noqa: N818
    """Stands for the end of the process."""


def killed() -> None:
    raise Killed


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(content: Any, file: Path) -> None:
        file.write_bytes(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", save)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "state.pt"


@pytest.fixture(autouse=True)
def same_signal_handler_after_the_test() -> Any:
    before = signal.getsignal(signal.SIGINT)
    yield
    after = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert after is before


def iterations_in(file: Path) -> int:
    return int(torch.load(file, weights_only=True)["trainer"]["iteration"])


@pytest.mark.parametrize(
    ("killed_in", "interval", "saved"), [(6, 20, 4), (8, 3, 6), (9, 20, 8), (12, 5, 10), (4, 1, 3)]
)
def test_killed_at_any_iteration_and_resumed_it_ends_bit_identical(
    file: Path, tmp_path: Path, killed_in: int, interval: int, saved: int
) -> None:
    expected = Job().run(tmp_path / "other.pt", interval=interval)
    with pytest.raises(Killed):
        Job({killed_in: killed}).run(file, interval=interval)
    assert iterations_in(file) == saved
    resumed = Job()
    assert torch.equal(resumed.run(file, resume=True, interval=interval), expected)
    assert resumed.done == list(range(saved + 1, EPOCHS * LENGTH + 1))


@pytest.mark.parametrize("iteration", [1, 4, 6])
def test_ctrl_c_ends_the_iteration_under_way_saves_and_goes_on_as_keyboard_interrupt(
    file: Path, tmp_path: Path, iteration: int
) -> None:
    expected = Job().run(tmp_path / "other.pt")
    job = Job({iteration: lambda: signal.raise_signal(signal.SIGINT)})
    with pytest.raises(KeyboardInterrupt):
        job.run(file)
    assert job.done == list(range(1, iteration + 1))
    assert iterations_in(file) == iteration
    assert torch.equal(Job().run(file, resume=True), expected)


def test_a_second_ctrl_c_does_not_wait(file: Path) -> None:
    reached: list[str] = []

    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        reached.append("after the first")
        signal.raise_signal(signal.SIGINT)
        reached.append("after the second")

    with pytest.raises(KeyboardInterrupt):
        Job({6: twice}).run(file)
    assert reached == ["after the first"]
    assert iterations_in(file) == 4


def test_a_handler_that_was_interrupted_serves_the_next_engine(file: Path) -> None:
    job = Job({2: lambda: signal.raise_signal(signal.SIGINT)})
    handler = ResumableState(file, {"layer": job.layer}, job={}, resume=True)
    handler.attach(job.engine)
    with pytest.raises(KeyboardInterrupt):
        job.engine.run(range(LENGTH), max_epochs=EPOCHS)
    job.at.clear()
    job.engine = Engine(job._iteration)  # ignite cannot go on with one that failed
    handler.attach(job.engine)
    job.engine.run(range(LENGTH), max_epochs=EPOCHS)
    assert job.done == list(range(1, EPOCHS * LENGTH + 1))


@pytest.mark.parametrize("end", ["completes", "fails", "is refused"])
def test_the_signal_handler_is_ours_only_while_the_engine_runs(file: Path, end: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[Any] = []
    job = Job({2: lambda: seen.append(signal.getsignal(signal.SIGINT)), 3: killed if end == "fails" else seen.clear})
    if end == "completes":
        job.run(file)
    elif end == "fails":
        with pytest.raises(Killed):
            job.run(file)
        assert seen[0] is not before
    else:
        file.parent.mkdir()
        file.write_bytes(b"")
        with pytest.raises(RuntimeError, match="earlier run"):
            job.run(file)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_state_of_another_job_is_refused_and_every_difference_named(file: Path) -> None:
    Job().run(file, job={"seed": 0, "network": {"width": 4}, "same": [1]})
    held = file.read_bytes()
    with pytest.raises(RuntimeError) as caught:
        Job().run(file, resume=True, job={"seed": 1, "same": (1,), "new": None, "zca": True})
    text = str(caught.value)
    for part in ("seed: found 0, expected 1", "network: found {'width': 4}, expected None", "zca: found None"):
        assert part in text
    assert "same" not in text
    assert "another output_dir" in text
    assert file.read_bytes() == held


def test_an_existing_state_is_refused_without_resume_and_not_changed(file: Path) -> None:
    Job().run(file)
    held = file.read_bytes()
    with pytest.raises(RuntimeError, match=r"earlier run's state.*Resume that run, or give another output_dir"):
        Job().run(file)
    assert file.read_bytes() == held


def test_resume_without_a_state_starts_from_the_beginning(file: Path, tmp_path: Path) -> None:
    assert torch.equal(Job().run(file, resume=True), Job().run(tmp_path / "other.pt"))


def test_resuming_a_finished_run_does_nothing(file: Path) -> None:
    expected = Job().run(file)
    again = Job()
    assert torch.equal(again.run(file, resume=True), expected)
    assert again.done == []


@pytest.mark.parametrize("content", [b"", b"no checkpoint", "cut", "foreign"])
def test_a_damaged_state_is_refused_by_name(file: Path, content: bytes | str) -> None:
    Job().run(file)
    if content == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif content == "foreign":
        torch.save({"weights": torch.zeros(1)}, file)
    else:
        file.write_bytes(content)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"state\.pt is damaged or no state of a run"):
        Job().run(file, resume=True)


def test_a_full_disk_raises_an_error_and_leaves_the_previous_state(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Job().run(tmp_path / "other.pt")
    with monkeypatch.context() as patched, pytest.raises(RuntimeError) as caught:
        Job({6: lambda: full_disk(patched)}).run(file)
    for part in ("Cannot save the state to", "No space left", "Free some disk space and resume"):
        assert part in str(caught.value)
    assert [path.name for path in file.parent.iterdir()] == ["state.pt"]
    assert iterations_in(file) == 4
    assert torch.equal(Job().run(file, resume=True), expected)


def test_a_full_disk_at_the_first_save_leaves_no_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch)
    with pytest.raises(RuntimeError, match="Cannot save"):
        Job().run(file)
    assert list(file.parent.iterdir()) == []


class Diverging(Trainer):
    """A MONAI trainer whose loss is not finite in one iteration; it says so before it changes anything, or after."""

    def __init__(self, layer: torch.nn.Linear, bad: int, before: bool, handlers: list[Any]) -> None:
        self.layer, self.bad, self.before = layer, bad, before
        super().__init__(
            device="cpu",
            max_epochs=2,
            data_loader=range(LENGTH),
            epoch_length=LENGTH,
            handlers=handlers,
            decollate=False,
        )

    def _iteration(self, engine: Any, batchdata: Any) -> list[dict[str, float]]:
        if engine.state.iteration == self.bad and self.before:
            raise RuntimeError("not finite")
        with torch.no_grad():
            self.layer.weight.add_(1)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        if engine.state.iteration == self.bad:
            raise RuntimeError("not finite")
        return [{"loss": 0.0}]


@pytest.mark.parametrize(("bad", "before", "saved"), [(1, True, 0), (2, True, 1), (7, True, 6), (7, False, 4)])
def test_a_failed_iteration_leaves_the_last_good_state_on_disk(file: Path, bad: int, before: bool, saved: int) -> None:
    layer = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(layer.weight)
    handlers = [ProgressBar("x"), ResumableState(file, {"layer": layer}, job={})]
    with pytest.raises(RuntimeError, match="not finite"):
        Diverging(layer, bad, before, handlers).run()
    assert float(torch.load(file, weights_only=True)["layer"]["weight"]) == saved
    assert iterations_in(file) == saved
    resumed = Diverging(layer, 0, True, [ResumableState(file, {"layer": layer}, job={}, resume=True)])
    resumed.run()
    assert float(layer.weight.detach()) == 2 * LENGTH


def test_killed_during_a_validation_the_resumed_run_validates_again(file: Path) -> None:
    validated: list[int] = []

    def validate(engine: Engine) -> None:
        validated.append(engine.state.iteration)
        if len(validated) == 2:
            raise Killed

    for resume in (False, True):
        job = Job()
        job.engine.add_event_handler(Events.EPOCH_COMPLETED, validate)
        if resume:
            job.run(file, resume=True, interval=1)
        else:
            with pytest.raises(Killed):
                job.run(file, interval=1)
            assert iterations_in(file) == 7
    assert validated == [4, 8, 8, 12]


def test_a_state_is_read_where_the_gpu_that_it_was_saved_from_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Job().run(tmp_path / "state.pt")
    read, where = torch.load, []

    def load(*words: Any, map_location: Any = None, **more: Any) -> Any:
        where.append(map_location)
        return read(*words, map_location=map_location, **more)

    monkeypatch.setattr(torch, "load", load)
    Job().run(tmp_path / "state.pt", resume=True)
    assert where == ["cpu"]
