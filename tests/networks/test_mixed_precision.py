"""Students and experts in bfloat16: near the result in single precision, not it, and recorded as another job."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import nn

from monai_distill.engines.experts.expert_plan import expert_recipe
from monai_distill.engines.students import StudentTraining
from monai_distill.engines.students.students import training_job
from monai_distill.networks import FlatNetwork
from monai_distill.networks.mixed_precision import training_logits, with_amp
from monai_distill.networks.nets import ConvNet
from monai_distill.networks.running_statistics import scored_network
from monai_distill.transforms import SiameseAugment

BUILD = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=3, image_size=8, width=8, depth=2)
IMAGES = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def networks(build: Any = BUILD) -> tuple[FlatNetwork, FlatNetwork]:
    return FlatNetwork(build), with_amp(FlatNetwork(build), True)


def test_logits_are_those_of_autocast_in_single_precision() -> None:
    exact, mixed = networks()
    parameters = exact.initial(0)
    module = exact.load_into(BUILD(), parameters)
    with torch.autocast("cpu", torch.bfloat16):
        expected = module(IMAGES).float()
    logits = training_logits(mixed, parameters, IMAGES)
    assert torch.equal(logits, expected)
    assert not torch.equal(logits, exact(parameters, IMAGES))
    assert torch.equal(training_logits(exact, parameters, IMAGES), exact(parameters, IMAGES))
    assert torch.equal(mixed.predict(parameters, IMAGES), exact.predict(parameters, IMAGES))  # scores stay exact


@pytest.mark.parametrize("vmap", [False, True])
def test_students_are_near_those_in_single_precision(vmap: bool) -> None:
    training = StudentTraining(SiameseAugment(()), steps=4, vmap=vmap)
    single, half = (training(network, IMAGES, LABELS, 0.01, [1, 2]) for network in networks())
    start = torch.stack([networks()[0].initial(seed) for seed in (1, 2)])
    assert half.dtype == torch.float32
    moved, apart = (single - start).norm(), (single - half).norm()
    assert 0 < apart < 0.05 * moved


def test_running_statistics_of_a_scored_network_stay_in_single_precision() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))

    scored = [scored_network(network) for network in networks(build)]
    assert [network.amp for network in scored] == [False, True]
    training = StudentTraining(SiameseAugment(()), steps=2)
    single, half = (training(network, IMAGES, LABELS, 0.01, [1]) for network in scored)
    assert half.dtype == torch.float32
    assert torch.allclose(single, half, atol=2e-2)
    assert not torch.equal(single, half)


def test_results_in_mixed_precision_are_results_of_another_job() -> None:
    training, data = StudentTraining(SiameseAugment(())), (IMAGES, LABELS, 0.01)
    single, half = (training_job(network, data, training, [1]) for network in networks())
    assert half == {**single, "amp": True}
    assert expert_recipe({}, False, amp=True) == {"amp": True}
    with pytest.raises(TypeError, match="got 'float16'"):
        with_amp(FlatNetwork(BUILD), "float16")  # type: ignore[arg-type]
