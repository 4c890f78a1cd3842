"""Arguments of the wrong type are refused by the constructors, before anything runs."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD

from monai_distill.data import SyntheticDataset
from monai_distill.engines.distillation import Distiller
from monai_distill.engines.protocols import Scorecard
from monai_distill.engines.students import StudentEvaluator, StudentTraining
from monai_distill.networks import FlatNetwork
from monai_distill.transforms import SiameseAugment


def a_set() -> SyntheticDataset:
    return SyntheticDataset(torch.ones(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])


def distil(synthetic: Any, objective: Any, optimizer: Any = None, **settings: Any) -> None:
    optimizer = SGD([synthetic.images], lr=1) if optimizer is None else optimizer
    Distiller(synthetic, objective, [0, 1], optimizer, **{"max_epochs": 1, "epoch_length": 2, **settings}).run()


def halve(synthetic: SyntheticDataset, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    return torch.tensor(1.0), {"images": synthetic.images.detach() / 2}


def test_a_gradient_under_another_name_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="Expected gradients of images, student_lr, got image"):
        distil(a_set(), lambda synthetic, batch: (torch.tensor(1.0), {"image": torch.zeros(2, 1, 4, 4)}))


def test_an_optimizer_of_a_copy_of_the_set_is_refused() -> None:
    synthetic = a_set()
    with pytest.raises(ValueError, match="over parameters of the synthetic set"):
        distil(synthetic, halve, SGD([copy.deepcopy(synthetic).images], lr=1))


@pytest.mark.parametrize(("name", "value"), [("epoch_length", 1.5), ("max_epochs", 0), ("max_epochs", "2")])
def test_epochs_are_whole_numbers(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        distil(a_set(), halve, **{name: value})


PLAIN = SiameseAugment(())
LINEAR = FlatNetwork(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 2)))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: distil(nn.ParameterDict({"images": torch.ones(1)}), halve), "Expected a SyntheticDataset"),
        (lambda: distil(a_set(), None), "an objective .* got SyntheticDataset and NoneType"),
        (lambda: StudentTraining(["crop"]), "Expected a SiameseAugment, got .'crop'."),
        (lambda: StudentEvaluator(a_set(), LINEAR, StudentTraining(PLAIN), None), "Give synthetic.training_set"),
        (
            lambda: Scorecard([1, 2, 3], LINEAR, StudentTraining(PLAIN)),
            "data as SplitBanks .* got list and FlatNetwork",
        ),
        (lambda: FlatNetwork(nn.Linear(1, 1)), "a function or class that makes a network, got Linear"),
    ],
)
def test_parts_of_another_kind(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        make()


@pytest.mark.parametrize("steps", [0, 2.5])
def test_steps_are_whole_numbers(steps: Any) -> None:
    with pytest.raises(ValueError, match="steps"):
        StudentTraining(PLAIN, steps=steps)
