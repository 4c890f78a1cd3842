"""Experts: their snapshots, a plain SGD loop as oracle, and runs that were interrupted."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from ignite.engine import Events
from torch import Tensor

from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer, plain_direction
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.transforms import SiameseAugment

EXPERTS, EPOCHS, BATCH, EXPERT_LR, SEED = 4, 3, 5, 0.1, 11
Train = Callable[..., TrajectoryStore]


@pytest.fixture
def make_trainer(network: FlatNetwork, bank: ClassBank, tmp_path: Path) -> Callable[..., ExpertTrainer]:
    def make(folder: str, snapshots: int = EPOCHS + 1, experts: int = EXPERTS, **settings: Any) -> ExpertTrainer:
        store = TrajectoryStore(tmp_path / folder, {}, experts=experts, snapshots=snapshots, parameters=network.size)
        trainer = {"network": network, "bank": bank, "store": store, "at_once": 2, "seed": SEED}
        trainer |= {name: settings.pop(name) for name in [*trainer, "handlers"] if name in settings}
        protocol = {"augment": SiameseAugment(), "epochs": EPOCHS, "lr": EXPERT_LR, "batch_size": BATCH, **settings}
        return ExpertTrainer(**trainer, protocol=ExpertProtocol(**protocol))

    return make


@pytest.fixture
def train(make_trainer: Callable[..., ExpertTrainer]) -> Train:
    def run(folder: str, **settings: Any) -> TrajectoryStore:
        trainer = make_trainer(folder, **settings)
        trainer.run()
        return trainer.store

    return run


def snapshots_of(store: TrajectoryStore, expert: int) -> list[Tensor]:
    count = store.shape[1]
    return [store.segment(expert, e, e + 1)[0] for e in range(count - 1)] + [store.segment(expert, 0, count - 1)[1]]


def everything(store: TrajectoryStore) -> Tensor:
    return torch.stack([torch.stack(snapshots_of(store, expert)) for expert in range(store.shape[0])])


def _reference_expert(
    module: ConvNet, bank: ClassBank, expert: int, augment: SiameseAugment
) -> tuple[list[Tensor], list[tuple[float, float]]]:
    """MTT's expert: torch.optim.SGD on an ordinary module; order and augmentation rebuilt from the seeds."""
    optimizer = torch.optim.SGD(module.parameters(), lr=EXPERT_LR)
    snapshots, scores = [], []
    for epoch in range(EPOCHS):
        snapshots.append(torch.cat([p.detach().flatten() for p in module.parameters()]).clone())
        generator = seeded_generator(SEED, "expert", expert, "epoch", epoch)
        order = torch.randperm(len(bank), generator=generator)
        loss_sum = right = 0.0
        for low in range(0, len(bank), BATCH):
            rows = order[low : low + BATCH]
            images = augment.apply(bank.images[rows], augment.draw(len(rows), (8, 8), generator))
            logits = module(images)
            loss = F.cross_entropy(logits, bank.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(rows)
            right += float((logits.argmax(1) == bank.labels[rows]).sum())
        scores.append((loss_sum / len(bank), right / len(bank)))
    snapshots.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
    return snapshots, scores


@pytest.mark.parametrize("vmap", [False, True])
def test_snapshots_are_pairwise_different_and_begin_with_the_initialisation(
    train: Train, network: FlatNetwork, vmap: bool
) -> None:
    store = train("a", vmap=vmap)
    assert store.finished == list(range(store.shape[0]))
    for expert in range(EXPERTS):
        snapshots = snapshots_of(store, expert)
        assert torch.equal(snapshots[0], network.initial(derived_seed(SEED, "expert", expert)))
        for i, one in enumerate(snapshots):
            assert all(not torch.equal(one, other) for other in snapshots[:i])
    first = everything(store)[:, 0]
    assert all(not torch.equal(first[i], first[j]) for i in range(EXPERTS) for j in range(i))


def test_snapshots_in_memory_have_storages_of_their_own(make_trainer: Callable[..., ExpertTrainer]) -> None:
    trainer = make_trainer("a", experts=2)
    held: list[list[Tensor]] = []
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: held.append([*engine._snapshots]))
    trainer.run()
    (snapshots,) = held
    assert len(snapshots) == EPOCHS + 1
    assert len({snapshot.untyped_storage().data_ptr() for snapshot in snapshots}) == EPOCHS + 1


@pytest.mark.parametrize("augment", [SiameseAugment(()), SiameseAugment()], ids=["plain", "augmented"])
@pytest.mark.parametrize("vmap", [False, True])
def test_every_epoch_equals_an_independent_sgd_loop(
    train: Train,
    bank: ClassBank,
    network: FlatNetwork,
    make_module: Callable[[], ConvNet],
    augment: SiameseAugment,
    vmap: bool,
) -> None:
    store = train("a", augment=augment, vmap=vmap)
    for expert in range(EXPERTS):
        module = network.load_into(make_module(), network.initial(derived_seed(SEED, "expert", expert)))
        snapshots, scores = _reference_expert(module, bank, expert, augment)
        for actual, expected in zip(snapshots_of(store, expert), snapshots, strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
        history = store.history[expert]
        assert [row["epoch"] for row in history] == [1, 2, 3]
        assert [row["train_loss"] for row in history] == pytest.approx([s[0] for s in scores], rel=1e-4)
        assert [row["train_accuracy"] for row in history] == pytest.approx([s[1] for s in scores])


def test_one_vmapped_group_equals_one_expert_after_another(train: Train) -> None:
    vmap, alone = everything(train("a", vmap=True)), everything(train("b", vmap=False))
    torch.testing.assert_close(vmap, alone, rtol=1e-4, atol=1e-4)
    assert not torch.equal(alone[:, 0], alone[:, 1])


@pytest.mark.parametrize("vmap", [False, True])
def test_the_size_of_a_group_does_not_change_an_expert(train: Train, vmap: bool) -> None:
    expected = everything(train("a", at_once=1, vmap=vmap))
    for at_once in (3, 10):
        actual = everything(train(str(at_once), at_once=at_once, vmap=vmap))
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_the_size_of_a_group_does_not_change_an_expert_with_dropout(
    make_trainer: Callable[..., ExpertTrainer], bank: ClassBank, tmp_path: Path
) -> None:
    def module() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 3))

    network, actual = FlatNetwork(module), []
    for at_once in (1, 2):
        store = TrajectoryStore(tmp_path / str(at_once), {}, experts=2, snapshots=2, parameters=network.size)
        make_trainer("x", network=network, store=store, snapshots=2, at_once=at_once, vmap=False).run()
        actual.append(everything(store))
    torch.testing.assert_close(*actual, rtol=1e-4, atol=1e-5)


def test_an_expert_does_not_depend_on_how_many_there_are(train: Train) -> None:
    assert torch.equal(everything(train("a", experts=2)), everything(train("b", experts=4))[:2])


def test_an_interrupted_run_goes_on_to_the_same_bytes_without_repeating_what_is_finished(
    train: Train, make_trainer: Callable[..., ExpertTrainer]
) -> None:
    whole = train("whole")
    broken = make_trainer("broken")

    def interrupt(engine: ExpertTrainer) -> None:
        if engine.state.iteration == EPOCHS + 2:  # in the second group's second epoch
            raise InterruptedError

    broken.add_event_handler(Events.ITERATION_COMPLETED, interrupt)
    with pytest.raises(InterruptedError):
        broken.run()
    assert broken.store.finished == [0, 1]
    again = make_trainer("broken")
    trained: list[int] = []
    again.add_event_handler(Events.EPOCH_STARTED, lambda engine: trained.extend(engine._experts))
    again.run()
    assert trained == [2, 3]
    assert again.store.array_file.read_bytes() == whole.array_file.read_bytes()
    assert again.store.manifest_file.read_bytes() == whole.manifest_file.read_bytes()


def test_a_complete_store_is_left_alone(train: Train, make_trainer: Callable[..., ExpertTrainer]) -> None:
    before = train("a").array_file.stat()
    trainer = make_trainer("a")
    seen: list[Any] = []
    trainer.add_event_handler(Events.ITERATION_STARTED, seen.append)
    trainer.run()
    assert seen == []
    assert trainer.store.array_file.stat() == before


def test_only_as_many_epochs_as_the_store_has_are_stored(train: Train) -> None:
    long, short = train("long"), train("short", snapshots=2)
    assert torch.equal(everything(short), everything(long)[:, :2])
    assert [row["epoch"] for row in short.history[0]] == [1, 2, 3]


def test_repeating_gives_the_same_bytes_and_another_seed_others(
    train: Train, random_states_kept: Callable[[], Any]
) -> None:
    with random_states_kept():
        first = train("a")
    torch.rand(3)
    assert train("b").array_file.read_bytes() == first.array_file.read_bytes()
    assert train("c", seed=SEED + 1).array_file.read_bytes() != first.array_file.read_bytes()


@pytest.mark.parametrize("vmap", [False, True])
def test_the_direction_is_what_is_stepped_along(train: Train, vmap: bool) -> None:
    calls: list[tuple[int, ...]] = []

    def doubled(gradient: Callable[[Tensor], Tensor], parameters: Tensor) -> Tensor:
        calls.append(tuple(parameters.shape))
        return 2 * plain_direction(gradient, parameters)

    actual = everything(train("a", direction=doubled, vmap=vmap))
    assert len(set(calls)) == 1
    torch.testing.assert_close(actual, everything(train("b", lr=2 * EXPERT_LR)), rtol=1e-4, atol=1e-5)


def test_a_direction_may_look_twice_and_the_history_is_that_of_the_first_look(train: Train) -> None:
    def ascended(gradient: Callable[[Tensor], Tensor], parameters: Tensor) -> Tensor:
        first = gradient(parameters)
        return gradient(parameters + 0.05 * first / first.norm())

    sharp, plain = train("a", direction=ascended), train("b")
    assert not torch.equal(everything(sharp)[:, 1], everything(plain)[:, 1])
    one_batch = {"batch_size": 13, "epochs": 1, "snapshots": 2}
    sharp, plain = train("c", direction=ascended, **one_batch), train("d", **one_batch)
    assert sharp.history == plain.history


def test_the_bank_is_left_untouched(train: Train, bank: ClassBank) -> None:
    before = bank.fingerprint()
    train("a")
    assert bank.fingerprint() == before


@pytest.mark.parametrize("settings", [{"epochs": EPOCHS - 1}, {"at_once": 0}])
def test_fewer_epochs_than_the_store_has_and_empty_groups_are_refused(
    make_trainer: Callable[..., ExpertTrainer], settings: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        make_trainer("a", **settings)


def test_an_expert_that_diverges_is_named_and_not_stored(make_trainer: Callable[..., ExpertTrainer]) -> None:
    trainer = make_trainer("a", lr=1e30)
    with pytest.raises(ValueError, match="Expert 0 diverged"):
        trainer.run()
    assert trainer.store.finished == []


def test_a_group_is_written_while_the_next_one_trains(
    make_trainer: Callable[..., ExpertTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, going_on, seen = make_trainer("slow disk"), threading.Event(), []
    write = trainer.store.write

    def slow(expert: int, *rest: Any) -> None:
        if expert == 0:
            seen.append(going_on.wait(timeout=60))
        write(expert, *rest)

    monkeypatch.setattr(trainer.store, "write", slow)
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: going_on.set() if engine.state.epoch == 2 else None
    )
    trainer.run()
    assert seen == [True]
    assert trainer.store.finished == list(range(trainer.store.shape[0]))


@pytest.mark.parametrize("expert", [0, 2])
def test_what_cannot_be_written_ends_the_run_in_the_first_and_in_the_last_group(
    make_trainer: Callable[..., ExpertTrainer], expert: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("full disk")
    write = trainer.store.write

    def full(number: int, *rest: Any) -> None:
        if number == expert:
            raise RuntimeError("no room")
        write(number, *rest)

    monkeypatch.setattr(trainer.store, "write", full)
    with pytest.raises(RuntimeError, match="no room"):
        trainer.run()
    assert expert not in trainer.store.finished


def test_what_was_trained_before_an_interruption_is_written(
    make_trainer: Callable[..., ExpertTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("interrupted")
    write = trainer.store.write

    def slow(expert: int, *rest: Any) -> None:
        time.sleep(0.2)
        write(expert, *rest)

    def interrupt(engine: Any) -> None:
        if engine.state.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer.store, "write", slow)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, interrupt)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert trainer.store.finished == [0, 1]
