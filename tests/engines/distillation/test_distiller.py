"""The outer loop: MONAI's handlers unchanged, gates, and resumes that are exact to the bit."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.handlers import CheckpointLoader, CheckpointSaver, StatsHandler, TensorBoardStatsHandler
from torch import Tensor

from monai_distill.data import ClassBank, SegmentSampler, StartEpochs, SyntheticDataset, TrajectoryStore
from monai_distill.engines.distillation import Distiller, InnerLoop, StepLimits, TrajectoryMatching, UnrollMemory
from monai_distill.handlers import ResumableState
from monai_distill.networks import FlatNetwork
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

EPOCHS, LENGTH = 3, 4
SAVED = ("synthetic", "optimizer", "trainer")


@pytest.fixture
def store(network: FlatNetwork, tmp_path: Path) -> TrajectoryStore:
    """Two made-up experts that move a little every epoch."""
    store = TrajectoryStore(tmp_path / "experts", {}, experts=2, snapshots=4, parameters=network.size)
    for expert in range(2):
        moves = 0.02 * torch.randn(3, network.size, generator=seeded_generator(0, "moves", expert))
        start = network.initial(expert)
        store.write(expert, torch.stack([start, *(start + moves.cumsum(0))]), [])
    return store


@pytest.fixture
def make(network: FlatNetwork, bank: ClassBank, store: TrajectoryStore) -> Callable[..., Distiller]:
    """A distiller of trajectory matching with learned labels, everything in it new."""

    def distiller(seed: int = 0, handlers: Any = None, objective: Any = None, **settings: Any) -> Distiller:
        generator = seeded_generator(seed, "initial")
        images = torch.randn(6, 1, 8, 8, generator=generator)
        synthetic = SyntheticDataset(
            images, torch.arange(6) % 3, bank.class_names, student_lr=0.05, label_logits=torch.zeros(6, 3)
        )
        groups = [
            {"params": [synthetic.images], "lr": 1.0, "momentum": 0.5},
            {"params": [synthetic.student_lr], "lr": 1e-4, "momentum": 0.5},
            {"params": [synthetic.label_logits], "lr": 0.5, "momentum": 0.9},
        ]
        match = TrajectoryMatching(
            network, SiameseAugment(), inner=InnerLoop(3, batch_size=4), memory=UnrollMemory(chunk=2), seed=seed
        )
        return Distiller(
            synthetic,
            match if objective is None else objective,
            SegmentSampler(store, StartEpochs(2), expert_epochs=2, seed=seed),
            torch.optim.SGD(groups),
            train_handlers=handlers,
            **{"max_epochs": EPOCHS, "epoch_length": LENGTH, **settings},
        )

    return distiller


def parts_of(distiller: Distiller) -> dict[str, Any]:
    return {"synthetic": distiller.synthetic, "optimizer": distiller.optimizer, "trainer": distiller}


def state_of(distiller: Distiller) -> list[Tensor]:
    """Everything that the run has changed: images, learning rate, logits, and the momentum of each."""
    momenta = [s["momentum_buffer"] for s in distiller.optimizer.state_dict()["state"].values()]
    assert len(momenta) == 3
    return [tensor.clone() for tensor in (*distiller.synthetic.state_dict().values(), *momenta)]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def finished(make: Callable[..., Distiller]) -> list[Tensor]:
    distiller = make()
    distiller.run()
    return state_of(distiller)


def test_the_loop_is_the_optimizer_on_the_objective_s_gradients(make: Callable[..., Distiller]) -> None:
    actual, twin = make(), make()
    losses: list[float] = []
    actual.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output[0]["loss"]))
    actual.run()
    expected: list[float] = []
    for iteration in range(EPOCHS * LENGTH):  # a plain loop, without any engine
        loss, gradients = twin.objective(twin.synthetic, twin.batches[iteration])
        for name, parameter in twin.synthetic.named_parameters():
            parameter.grad = gradients[name]
        twin.optimizer.step()
        expected.append(float(loss))
    assert losses == expected
    assert same(state_of(actual), state_of(twin))
    assert actual.state.iteration == EPOCHS * LENGTH


def test_repeating_is_identical_and_leaves_the_random_states_alone(
    make: Callable[..., Distiller], finished: list[Tensor], random_states_kept: Callable[[], Any]
) -> None:
    torch.rand(5)
    again, other = make(), make(seed=1)
    with random_states_kept():
        again.run()
    other.run()
    assert same(state_of(again), finished)
    assert not same(state_of(other), finished)
    assert not same(state_of(again)[:1], [make().synthetic.images.detach()])


@pytest.mark.parametrize("done", [1, 3, 4, 6, 8, 11])
def test_a_run_resumed_from_monai_s_checkpoint_ends_bit_identical(
    make: Callable[..., Distiller], finished: list[Tensor], tmp_path: Path, done: int
) -> None:
    whole_epochs = done % LENGTH == 0
    folder = tmp_path / "checkpoints"
    first = make()
    interval = done // LENGTH if whole_epochs else done
    saver = CheckpointSaver(
        str(folder), parts_of(first), save_interval=interval, epoch_level=whole_epochs, n_saved=1, save_final=False
    )
    saver.attach(first)

    def stop(engine: Distiller) -> None:
        raise InterruptedError

    if whole_epochs:
        first.add_event_handler(Events.EPOCH_COMPLETED(once=interval), stop)
    else:
        first.add_event_handler(Events.ITERATION_COMPLETED(once=done), stop)
    with pytest.raises(InterruptedError):
        first.run()
    (file,) = folder.iterdir()

    second = make(seed=0)
    with torch.no_grad():
        for parameter in second.synthetic.parameters():
            parameter.add_(1)  # nothing of the fresh set may survive
    seen: list[int] = []
    second.add_event_handler(Events.ITERATION_STARTED, lambda engine: seen.append(engine.state.iteration))
    CheckpointLoader(str(file), parts_of(second)).attach(second)
    second.run()
    assert same(state_of(second), finished)
    assert seen == list(range(done + 1, EPOCHS * LENGTH + 1))
    assert (second.state.iteration, second.state.epoch) == (EPOCHS * LENGTH, EPOCHS)


@pytest.mark.parametrize("done", [1, 5, 8, 10])
def test_a_run_resumed_from_plain_state_dicts_ends_bit_identical(
    make: Callable[..., Distiller], finished: list[Tensor], tmp_path: Path, done: int
) -> None:
    first = make()
    file = tmp_path / "state.pt"

    def save(engine: Distiller) -> None:
        torch.save({name: part.state_dict() for name, part in parts_of(engine).items()}, file)

    first.add_event_handler(Events.ITERATION_COMPLETED(once=done), save)
    first.run()
    assert same(state_of(first), finished)  # saving changes nothing
    content = torch.load(file, weights_only=True)
    assert content["trainer"]["iteration"] == done
    second = make()
    for name, part in parts_of(second).items():
        part.load_state_dict(content[name])
    second.run()
    assert same(state_of(second), finished)


def test_a_longer_run_goes_on_from_a_shorter_one(make: Callable[..., Distiller], finished: list[Tensor]) -> None:
    short = make(max_epochs=1)
    short.run()
    longer = make()
    longer.synthetic.load_state_dict(short.synthetic.state_dict())
    longer.optimizer.load_state_dict(short.optimizer.state_dict())
    longer.load_state_dict({**short.state_dict(), "max_epochs": EPOCHS})
    longer.run()
    assert same(state_of(longer), finished)


@pytest.mark.parametrize("stop", [1, LENGTH, LENGTH + 1, LENGTH + 2])
def test_a_last_epoch_may_be_shorter_and_resumes_exactly(
    make: Callable[..., Distiller], tmp_path: Path, stop: int
) -> None:
    total = LENGTH + 1  # the second epoch has one iteration
    rest = [] if stop > total else [total] if stop == total else [LENGTH, total]

    def run(name: str, resume: bool, fail_at: int | None = None) -> tuple[Distiller, list[int]]:
        ends: list[int] = []
        state = ResumableState(tmp_path / name, {}, job={}, resume=resume, interval=1)
        distiller = make(max_epochs=2, limits=StepLimits(iterations=total), handlers=[state])
        state.save_dict.update(synthetic=distiller.synthetic, optimizer=distiller.optimizer)
        distiller.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: ends.append(engine.state.iteration))
        if fail_at is not None:
            distiller.add_event_handler(Events.ITERATION_STARTED(once=fail_at), _interrupt)
        try:
            distiller.run()
        except KeyboardInterrupt:
            assert fail_at is not None
        return distiller, ends

    whole, ends = run("whole", False)
    assert (whole.state.iteration, ends) == (total, [LENGTH, total])
    run("parts", False, fail_at=stop)
    for expected in (rest, []):  # the second one finds a complete run
        resumed, ends = run("parts", True)
        assert (resumed.state.iteration, ends) == (total, expected)
        assert same(state_of(resumed), state_of(whole))


@pytest.mark.parametrize("iterations", [LENGTH, EPOCHS * LENGTH + 1])
def test_a_limit_outside_the_last_epoch_is_refused(make: Callable[..., Distiller], iterations: int) -> None:
    with pytest.raises(ValueError, match=f"last of {EPOCHS} epochs of {LENGTH}, got {iterations}"):
        make(limits=StepLimits(iterations=iterations))


def _interrupt(engine: Any) -> None:
    raise KeyboardInterrupt


def test_monai_s_handlers_attach_unchanged(
    make: Callable[..., Distiller], finished: list[Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensorboard = TensorBoardStatsHandler(log_dir=str(tmp_path / "events"))
    logger = logging.getLogger("monai_distill_test")  # MONAI's loggers do not propagate, so caplog needs this
    logger.addHandler(caplog.handler)
    distiller = make(
        handlers=[
            StatsHandler(name=logger.name),
            tensorboard,
        ]
    )
    CheckpointSaver(str(tmp_path / "saved"), parts_of(distiller), save_final=True).attach(distiller)
    distiller.run()
    logger.removeHandler(caplog.handler)
    tensorboard.close()
    assert same(state_of(distiller), finished)
    assert f"loss: {distiller.state.output[0]['loss']:.4f}" in caplog.text
    assert f"Iter: {LENGTH}/{LENGTH}" in caplog.text
    assert "student_lr: " in caplog.text
    assert next((tmp_path / "events").iterdir()).stat().st_size > 100
    (file,) = (tmp_path / "saved").iterdir()
    assert sorted(torch.load(file, weights_only=True)) == sorted(SAVED)


def test_outputs_are_plain_floats(make: Callable[..., Distiller]) -> None:
    distiller = make(max_epochs=1, epoch_length=2)
    distiller.run()
    (output,) = distiller.state.output
    assert sorted(output) == ["gated", "iteration", "loss", "student_lr"]
    assert {type(value) for value in output.values()} == {float}
    assert output["iteration"] == 2.0
    assert output["student_lr"] == float(distiller.synthetic.student_lr.detach())


def _poisoned(inner: Any, at: int, where: str, value: float) -> Callable[..., Any]:
    calls: list[int] = []

    def objective(synthetic: SyntheticDataset, draw: Any) -> tuple[Tensor, dict[str, Tensor]]:
        loss, gradients = inner(synthetic, draw)
        calls.append(1)
        if len(calls) == at and where == "loss":
            return torch.full_like(loss, value), gradients
        if len(calls) == at:
            gradients[where] = gradients[where].clone()
            gradients[where].view(-1)[-1] = value
        return loss, gradients

    return objective


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["loss", "images", "student_lr", "label_logits"])
def test_what_is_not_finite_stops_the_run_and_leaves_the_set_as_it_was(
    make: Callable[..., Distiller], where: str, value: float
) -> None:
    before: list[Tensor] = []
    distiller = make()
    distiller.objective = _poisoned(distiller.objective, 6, where, value)
    distiller.add_event_handler(Events.ITERATION_STARTED(once=6), lambda engine: before.extend(state_of(engine)))
    with pytest.raises(RuntimeError, match="not finite at iteration 6"):
        distiller.run()
    assert before
    assert same(state_of(distiller), before)


def test_a_finite_gradient_whose_step_overflows_leaves_the_set_at_its_last_good_state(
    make: Callable[..., Distiller],
) -> None:
    distiller = make()
    distiller.optimizer.param_groups[0]["lr"] = 1e38
    distiller.objective = lambda data, batch: (torch.tensor(1.0), {"images": torch.full_like(data.images, 1e10)})
    with pytest.raises(RuntimeError, match="not finite"):
        distiller.run()
    assert bool(torch.isfinite(distiller.synthetic.images).all())


@pytest.mark.parametrize("least", [1e-5, 0.04])
def test_the_learning_rate_never_falls_below_its_minimum(make: Callable[..., Distiller], least: float) -> None:
    sizes: list[float] = []
    distiller = make(
        objective=lambda data, batch: (torch.tensor(1.0), {"student_lr": torch.tensor(200.0)}),
        limits=StepLimits(min_student_lr=least, student_lr_ratio=1e9),
    )
    distiller.add_event_handler(Events.ITERATION_COMPLETED, lambda e: sizes.append(e.state.output[0]["student_lr"]))
    distiller.run()
    assert min(sizes) == pytest.approx(least)
    assert sizes[0] == pytest.approx(max(0.05 - 0.02, least))


@pytest.mark.parametrize(("push", "expected"), [(None, 1e-7), (5.0, 1e-7), (-5.0, 1.25e-7)])
def test_a_learning_rate_that_starts_below_the_minimum_is_not_raised_to_it(push: float | None, expected: float) -> None:
    data = SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["only"], student_lr=1e-7)
    given = {} if push is None else {"student_lr": torch.tensor(push)}
    optimizer = torch.optim.SGD([data.images, data.student_lr], lr=1.0)
    Distiller(data, lambda *_: (torch.tensor(1.0), given), [0], optimizer, max_epochs=1, epoch_length=1).run()
    assert float(data.student_lr.detach()) == pytest.approx(expected)


@pytest.mark.parametrize(("push", "factor"), [(2000.0, 1 / 1.5), (-2000.0, 1.5)])
def test_the_learning_rate_changes_at_most_by_its_ratio(
    make: Callable[..., Distiller], push: float, factor: float
) -> None:
    sizes = [0.05]
    distiller = make(
        objective=lambda data, batch: (torch.tensor(1.0), {"student_lr": torch.tensor(push)}),
        limits=StepLimits(student_lr_ratio=1.5),
    )
    distiller.add_event_handler(Events.ITERATION_COMPLETED, lambda e: sizes.append(e.state.output[0]["student_lr"]))
    distiller.run()
    assert sizes[1] == pytest.approx(sizes[0] * factor)
    assert sizes[2] == pytest.approx(sizes[1] * factor)


@pytest.mark.parametrize("settings", [{"student_lr_ratio": 1.0}, {"min_student_lr": 0.0}])
def test_limits_without_effect_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        StepLimits(**settings)


def test_parameters_without_a_gradient_are_not_stepped(make: Callable[..., Distiller]) -> None:
    distiller = make(objective=lambda data, batch: (torch.tensor(1.0), {"images": torch.ones_like(data.images)}))
    before = {name: value.clone() for name, value in distiller.synthetic.state_dict().items()}
    distiller.run()
    after = distiller.synthetic.state_dict()
    assert not torch.equal(after["images"], before["images"])
    for name in ("student_lr", "label_logits", "labels"):
        assert torch.equal(after[name], before[name])


@pytest.mark.parametrize("settings", [{"max_epochs": 0}, {"epoch_length": 0}])
def test_no_iterations_are_refused(make: Callable[..., Distiller], settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make(**settings)


def test_an_iteration_above_the_gate_changes_nothing_not_even_the_momentum(make: Callable[..., Distiller]) -> None:
    losses = iter([0.5, 2.0, 1.0, 1.5, 0.9, 3.0, 1.0, 1.1])
    distiller = make(max_epochs=2, limits=StepLimits(gate=1.0))
    inner = distiller.objective
    distiller.objective = lambda data, batch: (torch.tensor(next(losses)), inner(data, batch)[1])
    seen: list[tuple[float, float, list[Tensor]]] = []
    distiller.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda e: seen.append((e.state.output[0]["loss"], e.state.output[0]["gated"], state_of(e))),
    )
    distiller.run()
    assert [gated for _, gated, _ in seen] == [0, 1, 0, 1, 0, 1, 0, 1]
    for before, after in itertools.pairwise(seen):
        assert same(before[2], after[2]) is (after[1] == 1)
    passed = [0, 2, 4, 6]  # the same as a loop that never met the others
    twin = make()
    for iteration in passed:
        _, gradients = twin.objective(twin.synthetic, twin.batches[iteration])
        for name, parameter in twin.synthetic.named_parameters():
            parameter.grad = gradients[name]
        twin.optimizer.step()
    assert same(state_of(twin), state_of(distiller))


def test_a_warning_names_an_epoch_in_which_nothing_passes_the_gate(make: Callable[..., Distiller]) -> None:
    distiller = make(max_epochs=2, limits=StepLimits(gate=1e-6))
    before = distiller.synthetic.images.detach().clone()
    with pytest.warns(UserWarning, match=r"No iteration of epoch \d had a loss below the gate 1e-06") as caught:
        distiller.run()
    assert len(caught) == 2
    assert torch.equal(before, distiller.synthetic.images)


@pytest.mark.parametrize("gate", [0.0, -1.0, float("nan")])
def test_a_gate_that_nothing_can_pass_is_refused(gate: float) -> None:
    with pytest.raises(ValueError, match="gate"):
        StepLimits(gate=gate)


def test_a_gate_lets_no_nan_pass(make: Callable[..., Distiller]) -> None:
    distiller = make(limits=StepLimits(gate=1.0), objective=lambda data, batch: (torch.tensor(float("nan")), {}))
    with pytest.raises(RuntimeError, match="not finite"):
        distiller.run()
