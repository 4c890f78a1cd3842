"""Micro-batches: parts of a batch that fit the memory budget give the results of whole batches, in double precision."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer, FlatDirection, plain_direction
from monai_distill.engines.students import StudentTraining, predict_logits
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.micro_batches import MicroBatches
from monai_distill.transforms import SiameseAugment

AUGMENT = SiameseAugment(("color", "crop", "cutout", "flip", "scale", "rotate"))
BUDGET = 0.03  # MiB: a few images of the networks below


class Double(FlatNetwork):
    """A network in double precision that counts the images of every forward pass."""

    def __init__(self, budget: float | None = None, layer: nn.Module | None = None) -> None:
        def make() -> nn.Module:
            net = ConvNet(2, 1, 2, 8, width=4, depth=1)
            return (net if layer is None else nn.Sequential(layer, net)).double()

        super().__init__(make, MicroBatches(budget))
        self.seen: list[int] = []

    def initial(self, seed: int) -> Tensor:
        return super().initial(seed).double()

    def __call__(self, parameters: Tensor, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        return super().__call__(parameters.double(), images.double())


def _bank(count: int = 23) -> ClassBank:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 1, 8, 8, dtype=torch.float64, generator=generator)
    return ClassBank(images, torch.arange(count) % 2, ["a", "b"])


def _experts(network: FlatNetwork, folder: Path, vmap: bool, direction: Callable[..., Tensor]) -> Tensor:
    store = TrajectoryStore(folder, {}, experts=2, snapshots=3, parameters=network.size)
    protocol = ExpertProtocol(AUGMENT, epochs=2, lr=0.5, batch_size=16, direction=direction, vmap=vmap)
    trainer = ExpertTrainer(network=network, bank=_bank(), store=store, protocol=protocol, at_once=2)
    trainer.run()
    return trainer._parameters


@pytest.mark.parametrize("vmap", [False, True])
@pytest.mark.parametrize("direction", [plain_direction, FlatDirection(rho=0.1)])
def test_experts(tmp_path: Path, vmap: bool, direction: Callable[..., Tensor]) -> None:
    """All steps, plain and flat, in one call or one after another."""
    whole, parts = Double(), Double(BUDGET)
    expected = _experts(whole, tmp_path / "whole", vmap, direction)
    actual = _experts(parts, tmp_path / "parts", vmap, direction)
    assert max(parts.seen) < 16 <= max(whole.seen)
    assert torch.allclose(actual, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("vmap", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_students(vmap: bool, soft: bool) -> None:
    """Training with momentum and augmentation, on class numbers and on logits; then prediction."""
    bank = _bank()
    targets = torch.randn(23, 2, dtype=torch.float64) if soft else bank.labels
    protocol, results = StudentTraining(AUGMENT, steps=4, batch_size=16, vmap=vmap), []
    for network in (whole := Double(), parts := Double(BUDGET)):
        parameters = protocol(network, bank.images, targets, 0.1, [1, 2, 3])
        results += [parameters, predict_logits(network, parameters, bank.images)]
    assert max(parts.seen) < 16 <= max(whole.seen)
    for expected, actual in zip(results[:2], results[2:], strict=True):
        assert torch.allclose(actual, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "whole"), [(nn.BatchNorm2d(1, track_running_stats=False), {16, 23}), (nn.Dropout(0.5), {16})]
)
def test_a_network_that_mixes_the_images_of_a_batch_gets_whole_batches(layer: nn.Module, whole: set[int]) -> None:
    """The statistics of a part are not those of the batch, and the units that drop out depend on it in training."""
    network, bank = Double(BUDGET, layer), _bank()
    parameters = StudentTraining(AUGMENT, steps=1, batch_size=16)(network, bank.images, bank.labels, 0.1, [1])
    steps, network.seen = set(network.seen), []
    predict_logits(network, parameters, bank.images)
    assert steps <= {2, 3, 16}  # two and three images are measured
    assert whole <= {*steps, max(network.seen)}


class Small(Double):
    """A device on which more than five images do not fit."""

    def __call__(self, parameters: Tensor, images: Tensor) -> Tensor:
        if len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return super().__call__(parameters, images)


def test_out_of_memory_lowers_the_micro_batch_and_says_so() -> None:
    """The result is that of whole batches; later batches begin with the smaller size."""
    bank, protocol = _bank(), StudentTraining(AUGMENT, steps=3, batch_size=16)
    expected = protocol(Double(), bank.images, bank.labels, 0.1, [1])
    network = Small()
    with pytest.warns(UserWarning, match=r"at most 4 images.*--memory_budget"):
        actual = protocol(network, bank.images, bank.labels, 0.1, [1])
    assert torch.allclose(actual, expected, rtol=1e-10, atol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert predict_logits(network, actual, bank.images).shape == (1, 23, 2)


def test_out_of_memory_for_a_single_image_is_an_error() -> None:
    """There is nothing left to lower."""

    class Full(Double):
        def __call__(self, parameters: Tensor, images: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    bank = _bank()
    with pytest.warns(UserWarning, match="at most 1 images"), pytest.raises(torch.OutOfMemoryError):
        StudentTraining(AUGMENT, steps=1)(Full(), bank.images, bank.labels, 0.1, [1])
