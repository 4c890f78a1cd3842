"""IDM's queue: which networks it holds, how they are trained, and what a resume needs."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.engines.distillation import NetworkQueue, QueuePlan
from monai_distill.engines.students import StudentTraining
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

FACTORY = functools.partial(ConvNet, 2, 1, 3, 8, width=4, depth=1)
PLAN = QueuePlan(first=2, add_every=3, most=4, trained=2, train_every=2, lr=0.5)


def bank() -> ClassBank:
    images = torch.randn(12, 1, 8, 8, generator=seeded_generator(0, "images"))
    return ClassBank(images, torch.arange(12) % 3, ["a", "b", "c"])


class Marked:
    """Adds the learning rate to every parameter and notes what it was given."""

    def __init__(self) -> None:
        self.seeds: list[list[int]] = []

    def __call__(
        self,
        network: FlatNetwork,
        images: Images,
        targets: Tensor,
        lr: float,
        seeds: Sequence[int],
        *,
        start: Tensor | None = None,
    ) -> Tensor:
        assert start is not None
        self.seeds.append(list(seeds))
        return start + lr


def queue(training: object = None, plan: QueuePlan = PLAN) -> NetworkQueue:
    training = Marked() if training is None else training
    return NetworkQueue(FlatNetwork(FACTORY), bank(), training, FACTORY, plan=plan)  # type: ignore[arg-type]


def test_networks_are_added_and_the_oldest_leave() -> None:
    networks, sizes, fresh = queue(), [], []
    for iteration in range(13):
        networks(iteration)
        sizes.append(len(networks.parameters))
        fresh.append(networks.parameters[-1])
    assert sizes == [3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]
    newest = [fresh[i] for i in (0, 3, 6, 9, 12)]
    assert len({tuple(vector[:9].tolist()) for vector in newest}) == 5
    first = queue()
    first(0)
    for vector in first.parameters:  # after four additions none of the first three is left, trained or not
        assert all(float((vector - other).std()) > 1e-3 for other in networks.parameters)


def test_random_networks_are_trained_every_second_iteration_each_time_with_other_seeds() -> None:
    training = Marked()
    networks = queue(training, QueuePlan(first=2, add_every=100, trained=2, train_every=2, lr=0.5))
    networks(0)
    start = networks.parameters.clone()
    for iteration in range(1, 7):
        networks(iteration)
        networks(iteration)  # a second call changes nothing
    moved = ((networks.parameters - start) / 0.5).round().mean(dim=1)
    assert len(training.seeds) == 3
    assert len({seed for seeds in training.seeds for seed in seeds}) == 6
    assert moved.sum() == 6  # two networks in each of three trainings
    assert (moved > 0).all()  # not always the same two of three


def test_a_call_returns_a_network_of_the_queue_and_over_time_each() -> None:
    networks, seen = queue(plan=QueuePlan(first=2, add_every=1000, train_every=1000)), set()
    for iteration in range(20):
        module = networks(iteration)
        flat = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
        places = [i for i, row in enumerate(networks.parameters) if torch.equal(row, flat)]
        assert len(places) == 1
        seen.add(places[0])
    assert seen == {0, 1, 2}


def test_training_is_real_and_networks_become_accurate() -> None:
    plan = QueuePlan(first=1, add_every=1000, trained=2, train_every=1, lr=0.1)
    networks = queue(StudentTraining(SiameseAugment(()), steps=5, batch_size=12, drop=1.0), plan)
    networks(0)
    for iteration in range(1, 6):
        networks(iteration)
    data, flat = networks.bank, networks.network
    for row in networks.parameters:
        assert (flat(row, data.images[:]).argmax(dim=1) == data.labels).float().mean() > 0.9


def test_a_loaded_state_continues_bit_identical_and_a_gap_is_refused() -> None:
    training = StudentTraining(SiameseAugment(("crop",)), steps=2, batch_size=4)
    one, other = queue(training), queue(training)
    for iteration in range(4):
        one(iteration)
    other.load_state_dict(one.state_dict())
    for iteration in (4, 5):
        one(iteration)
        other(iteration)
    assert torch.equal(one.parameters, other.parameters)
    with pytest.raises(RuntimeError, match="Expected iteration 6, got 9"):
        one(9)
