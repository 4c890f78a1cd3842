"""How hard an image is."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_distill.data import ClassBank
from monai_distill.engines.experts.pad_difficulty import gradient_length, image_difficulty
from monai_distill.engines.students import StudentTraining
from monai_distill.networks import FlatNetwork
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.transforms import SiameseAugment
from tests.engines.conftest import tiny_module

TRAINING = StudentTraining(SiameseAugment(()), steps=4, batch_size=5)


def test_the_score_is_the_mean_length_of_the_error_vector(network: FlatNetwork, bank: ClassBank) -> None:
    actual = image_difficulty(network, bank, TRAINING, networks=2, lr=0.1, seed=3, batch_size=4)
    seeds = [derived_seed(3, "difficulty", i) for i in range(2)]
    expected = torch.zeros(len(bank))
    for parameters in TRAINING(network, bank.images, bank.labels, 0.1, seeds):
        module = network.load_into(tiny_module(), parameters)
        probabilities = module(bank.images).detach().softmax(1)
        for i, label in enumerate(bank.labels):
            error = probabilities[i].clone()
            error[label] -= 1
            expected[i] += error.square().sum().sqrt() / 2
    torch.testing.assert_close(actual, expected)


def test_grand_is_the_mean_gradient_length_of_every_image(network: FlatNetwork, bank: ClassBank) -> None:
    actual = image_difficulty(network, bank, TRAINING, score=gradient_length, networks=2, lr=0.1, seed=3)
    seeds = [derived_seed(3, "difficulty", i) for i in range(2)]
    expected = torch.zeros(len(bank))
    for parameters in TRAINING(network, bank.images, bank.labels, 0.1, seeds):
        module = network.load_into(tiny_module(), parameters)
        for i, label in enumerate(bank.labels):
            module.zero_grad()
            torch.nn.functional.cross_entropy(module(bank.images[i : i + 1]), label[None]).backward()
            expected[i] += sum(p.grad.square().sum() for p in module.parameters()).sqrt() / 2
    torch.testing.assert_close(actual, expected)
    assert network.module.training


def test_a_mislabelled_image_is_the_hardest_of_its_class(network: FlatNetwork) -> None:
    labels = torch.arange(60) % 2
    images = 2.0 * labels.reshape(-1, 1, 1, 1) - 1 + 0.1 * torch.randn(60, 1, 8, 8, generator=seeded_generator(0))
    images[7], images[8] = images[8].clone(), images[7].clone()
    bank = ClassBank(images, labels, ["a", "b", "c"])
    scores = image_difficulty(network, bank, StudentTraining(SiameseAugment(()), steps=60), lr=0.05)
    assert set(scores.argsort(descending=True)[:2].tolist()) == {7, 8}
    assert float(scores.min()) >= 0
    assert float(scores.max()) <= 2**0.5


def test_no_networks_are_refused(network: FlatNetwork, bank: ClassBank) -> None:
    with pytest.raises(ValueError, match="networks"):
        image_difficulty(network, bank, TRAINING, networks=0)
