"""The attack along a re-simulated trajectory: its products against plain gradients, a planted leak, strangers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from monai_distill.data import SyntheticDataset
from monai_distill.networks import FlatNetwork
from monai_distill.privacy.audit.attacks import GradientAlignment
from monai_distill.privacy.audit.candidates import Candidates
from monai_distill.runtime.randomness import derived_seed
from tests.privacy.audit.conftest import CLASSES, random_bank, unrelated_to


def test_is_the_sum_of_inner_products_with_the_unit_gradient(network: FlatNetwork) -> None:
    bank, own = random_bank(4, 0), random_bank(3, 1)
    release = SyntheticDataset(own.images[:], own.labels, CLASSES, student_lr=0.1)
    attack = GradientAlignment(bank.images, bank.labels, network, starts=1, steps=3, every=2, seed=5)
    parameters = network.initial(derived_seed(5, "audit trajectory", 0))
    expected = torch.zeros(4)
    for step in range(3):
        theta = parameters.clone().requires_grad_()
        (direction,) = torch.autograd.grad(F.cross_entropy(network(theta, own.images), own.labels), theta)
        if step in (0, 2):
            for i in range(4):
                loss = F.cross_entropy(network(theta, bank.images[i : i + 1]), bank.labels[i : i + 1])
                expected[i] += torch.autograd.grad(loss, theta)[0] @ direction / direction.norm()
        parameters = parameters - 0.1 * direction
    torch.testing.assert_close(attack(release), expected, rtol=1e-4, atol=1e-5)


def test_finds_copies_and_no_strangers(
    candidates: Candidates, network: FlatNetwork, attacked: Callable[..., Any]
) -> None:
    attack = GradientAlignment(candidates.images, candidates.labels, network, starts=1, steps=9, every=8)
    # a wrong label has a gradient of its own, so copies of canaries are what shows first
    assert attacked(attack, lambda members, seed: copies_of_all(members), shadows=10)["seen"]
    assert not attacked(attack, unrelated_to, shadows=10)["seen"]


def copies_of_all(members: Any) -> SyntheticDataset:
    return SyntheticDataset(members.images[:], members.labels, CLASSES, student_lr=0.5)


def test_soft_labels_are_targets_too(network: FlatNetwork) -> None:
    bank = random_bank(3, 1)
    sharp = 100.0 * F.one_hot(bank.labels, 3)
    attack = GradientAlignment(bank.images, bank.labels, network, starts=1, steps=2)
    hard = SyntheticDataset(bank.images[:], bank.labels, CLASSES)
    soft = SyntheticDataset(bank.images[:], bank.labels, CLASSES, label_logits=sharp)
    torch.testing.assert_close(attack(hard), attack(soft))


def test_refuses_no_steps(network: FlatNetwork) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        GradientAlignment(torch.zeros(1, 1, 8, 8), torch.tensor([0]), network, steps=0)
