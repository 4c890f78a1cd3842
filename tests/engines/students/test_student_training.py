"""The students' protocol against torch.optim.SGD on an ordinary module."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.engines.students import StudentTraining
from monai_distill.engines.students.student_training import WEIGHT_DECAY
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment
from monai_distill.transforms.siamese_augment import AugmentParameters

SEEDS = [3, 14, 15]
PLAIN = SiameseAugment(())


def _reference_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Target logits mean their softmax."""
    if targets.is_floating_point():
        weights = targets.exp() / targets.exp().sum(dim=1, keepdim=True)
    else:
        weights = torch.eye(logits.shape[1])[targets]
    return -(weights * (logits - logits.logsumexp(dim=1, keepdim=True))).sum() / len(logits)


def _reference_student(
    module: torch.nn.Module, images: Tensor, targets: Tensor, lr: float, steps: int, first_dropped: int
) -> Tensor:
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * (0.1 if step >= first_dropped else 1.0)
        optimizer.zero_grad()
        _reference_cross_entropy(module(images), targets).backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.parametrize("vmap", [False, True, None])
@pytest.mark.parametrize(("steps", "first_dropped"), [(1, 1), (8, 4), (7, 4)])
@pytest.mark.parametrize("soft", [False, True])
def test_students_equal_torch_sgd_with_momentum_decay_and_drop(
    network: FlatNetwork,
    bank: ClassBank,
    make_module: Callable[[], ConvNet],
    soft: bool,
    steps: int,
    first_dropped: int,
    vmap: bool | None,
) -> None:
    targets = torch.randn(13, 3, generator=seeded_generator(0, "soft")) if soft else bank.labels
    protocol = StudentTraining(PLAIN, steps=steps, batch_size=13, vmap=vmap)
    actual = protocol(network, bank.images, targets, 0.05, SEEDS)
    for seed, parameters in zip(SEEDS, actual, strict=True):
        module = network.load_into(make_module(), network.initial(seed))
        expected = _reference_student(module, bank.images, targets, 0.05, steps, first_dropped)
        torch.testing.assert_close(parameters, expected, rtol=1e-5, atol=1e-5)
        assert float((parameters - network.initial(seed)).abs().max()) > 1e-3


def test_students_learn_at_the_temperature(network: FlatNetwork, bank: ClassBank) -> None:
    cold, warm = (StudentTraining(SiameseAugment(()), steps=1, temperature=t) for t in (1.0, 1e4))
    start = network.initial(SEEDS[0])
    decayed = start - 0.1 * WEIGHT_DECAY * start
    moves = [p(network, bank.images, bank.labels, 0.1, SEEDS[:1])[0] - decayed for p in (cold, warm)]
    assert float(moves[1].norm()) < 1e-3 * float(moves[0].norm())  # the gradient goes as one over the temperature
    assert warm.config()["temperature"] == 1e4


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        StudentTraining(SiameseAugment(()), temperature=temperature)


def test_training_repeats_and_leaves_the_random_states_alone(
    network: FlatNetwork, bank: ClassBank, random_states_kept: Callable[[], Any]
) -> None:
    protocol = StudentTraining(SiameseAugment(), steps=6, batch_size=5)
    with random_states_kept():
        first = protocol(network, bank.images, bank.labels, 0.05, SEEDS)
    torch.rand(2)
    assert torch.equal(protocol(network, bank.images, bank.labels, 0.05, SEEDS), first)
    other = protocol(network, bank.images, bank.labels, 0.05, [seed + 1 for seed in SEEDS])
    assert not torch.equal(other, first)


@pytest.mark.parametrize("vmap", [False, True])
def test_a_student_does_not_depend_on_the_others(network: FlatNetwork, bank: ClassBank, vmap: bool) -> None:
    protocol = StudentTraining(SiameseAugment(), steps=6, batch_size=5, vmap=vmap)
    several = protocol(network, bank.images, bank.labels, 0.05, SEEDS)
    for place, seed in enumerate(SEEDS):
        alone = protocol(network, bank.images, bank.labels, 0.05, [seed])
        torch.testing.assert_close(alone[0], several[place], rtol=1e-5, atol=1e-5)
    swapped = protocol(network, bank.images, bank.labels, 0.05, SEEDS[::-1])
    torch.testing.assert_close(swapped.flip(0), several, rtol=1e-5, atol=1e-5)


def test_a_student_with_dropout_does_not_depend_on_the_others(bank: ClassBank) -> None:
    def module() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 3))

    protocol = StudentTraining(PLAIN, steps=3, vmap=False)
    several = protocol(FlatNetwork(module), bank.images, bank.labels, 0.05, SEEDS)
    alone = protocol(FlatNetwork(module), bank.images, bank.labels, 0.05, SEEDS[1:2])
    torch.testing.assert_close(alone[0], several[1], rtol=1e-5, atol=1e-5)


class _Spy(SiameseAugment):
    """Applies nothing and remembers the first pixel of every image, which is its number."""

    def __init__(self) -> None:
        super().__init__(())
        self.batches: list[list[int]] = []

    def apply(self, images: Tensor, augmentation: AugmentParameters) -> Tensor:
        self.batches.append(images[:, 0, 0, 0].long().tolist())
        return super().apply(images, augmentation)


@pytest.mark.parametrize(("count", "batch_size"), [(7, 3), (7, 4), (8, 4), (5, 4)])
def test_a_set_larger_than_a_batch_shows_every_image_once_per_round(
    network: FlatNetwork, count: int, batch_size: int
) -> None:
    images = torch.arange(count).float().reshape(-1, 1, 1, 1) + torch.rand(1, 1, 8, 8) * 0
    spy = _Spy()
    StudentTraining(spy, steps=3 * count, batch_size=batch_size)(network, images, torch.arange(count) % 3, 1e-4, [0])
    assert {len(batch) for batch in spy.batches} == {batch_size}
    stream = [number for batch in spy.batches for number in batch]
    rounds = [stream[low : low + count] for low in range(0, len(stream), count)]
    assert len(rounds) == 3 * batch_size
    assert all(sorted(order) == list(range(count)) for order in rounds)
    assert len({tuple(order) for order in rounds}) > 1


@pytest.mark.parametrize("soft", [False, True])
def test_batches_of_a_larger_set_equal_torch_sgd_on_the_same_images_and_targets(
    network: FlatNetwork, bank: ClassBank, make_module: Callable[[], ConvNet], soft: bool
) -> None:
    targets = 3 * torch.randn(13, 3, generator=seeded_generator(0, "soft")) if soft else bank.labels
    actual = StudentTraining(PLAIN, steps=8, batch_size=5)(network, bank.images, targets, 0.05, SEEDS)
    for seed, parameters in zip(SEEDS, actual, strict=True):
        module, generator = network.load_into(make_module(), network.initial(seed)), seeded_generator(seed, "student")
        stream = torch.cat([torch.randperm(13, generator=generator) for _ in range(4)])  # rounds, one after another
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        for step, rows in enumerate(stream.split(5)[:8]):
            optimizer.param_groups[0]["lr"] = 0.05 if step < 4 else 0.005
            optimizer.zero_grad()
            _reference_cross_entropy(module(bank.images[rows]), targets[rows]).backward()
            optimizer.step()
        expected = torch.cat([p.detach().flatten() for p in module.parameters()])
        torch.testing.assert_close(parameters, expected, rtol=1e-5, atol=1e-5)


def test_every_student_and_step_has_an_augmentation_of_its_own(network: FlatNetwork, bank: ClassBank) -> None:
    class Watched(SiameseAugment):
        draws: list[bytes] = []  # noqa: RUF012

        def apply(self, images: Tensor, augmentation: AugmentParameters) -> Tensor:
            self.draws.append(augmentation.values["shift"].numpy().tobytes())
            return super().apply(images, augmentation)

    StudentTraining(Watched(("crop",)), steps=5)(network, bank.images, bank.labels, 0.05, SEEDS)
    assert len(set(Watched.draws)) == len(Watched.draws) == 15


def test_on_step_is_called_after_every_step(network: FlatNetwork, bank: ClassBank) -> None:
    calls: list[int] = []
    StudentTraining(PLAIN, steps=4)(network, bank.images, bank.labels, 0.05, [0], lambda: calls.append(1))
    assert len(calls) == 4


@pytest.mark.parametrize("lr", [1e20, float("nan")])
def test_a_student_that_diverges_is_refused(network: FlatNetwork, bank: ClassBank, lr: float) -> None:
    with pytest.raises(RuntimeError, match="diverged at learning rate"):
        StudentTraining(PLAIN, steps=8)(network, bank.images, bank.labels, lr, SEEDS)


@pytest.mark.parametrize("settings", [{"steps": 0}, {"batch_size": 0}])
def test_no_steps_or_an_empty_batch_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        StudentTraining(PLAIN, **settings)
