"""The teacher: an ordinary trained network, trained once, on training images alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch

from monai_distill.data import ClassBank
from monai_distill.engines.students import StudentTraining, Teacher
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import AlexNet, ConvNet
from monai_distill.runtime.randomness import derived_seed
from monai_distill.transforms import SiameseAugment

PROTOCOL = StudentTraining(SiameseAugment(()), steps=4)


@pytest.fixture
def convnet() -> FlatNetwork:
    return FlatNetwork(
        functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=3, image_size=8, width=4, depth=1)
    )


def test_logits_and_features_are_those_of_the_trained_network(convnet: FlatNetwork, bank: ClassBank) -> None:
    teacher = Teacher(convnet, bank, PROTOCOL, lr=0.1, seed=7)
    (parameters,) = PROTOCOL(convnet, bank.images, bank.labels, 0.1, [derived_seed(7, "teacher")])
    module = convnet.load_into(convnet.factory(), parameters).eval()
    images, logits = teacher.soft_labels(bank.images, bank.labels)
    assert images is bank.images
    torch.testing.assert_close(logits, module(bank.images).detach())
    torch.testing.assert_close(teacher.features(bank.images), module.embed(bank.images).detach())
    assert not teacher.features(bank.images).requires_grad


def test_dropout_is_off(bank: ClassBank) -> None:
    network = FlatNetwork(lambda: AlexNet(2, 1, 3, 8))
    teacher = Teacher(network, bank, StudentTraining(SiameseAugment(()), steps=1))
    assert torch.equal(teacher.features(bank.images), teacher.features(bank.images))


def test_it_is_trained_once_and_shared(
    convnet: FlatNetwork, bank: ClassBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Teacher(convnet, bank, PROTOCOL, folder=tmp_path).parameters
    monkeypatch.delattr(StudentTraining, "__call__")
    assert torch.equal(Teacher(convnet, bank, PROTOCOL, folder=tmp_path).parameters, first)
    with pytest.raises(TypeError):  # another seed is another teacher, who cannot be trained now
        _ = Teacher(convnet, bank, PROTOCOL, folder=tmp_path, seed=1).parameters
