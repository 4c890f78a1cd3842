"""Micro-batches: parts of a batch that fit the memory budget give the results of whole batches, in double precision."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from monai_distill.data import ClassBank, SyntheticDataset, TrajectoryStore
from monai_distill.data.class_batches import ClassBatch, NoisyClassMeans
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import (
    DistributionMatching,
    GradientMatching,
    InnerLoop,
    NetworkLoop,
    TrajectoryMatching,
    UnrollMemory,
    attention_features,
    classified_features,
    embedding_features,
)
from monai_distill.engines.distillation.fixed_view_matching import NoisyMeanMatching
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer, FlatDirection, plain_direction
from monai_distill.engines.students import StudentTraining
from monai_distill.engines.students.scoring import predict_logits
from monai_distill.losses import AttentionMatchingLoss
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.micro_batches import MicroBatches
from monai_distill.runtime.randomness import temporary_global_seed
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


SYNTHETIC = [0, 0, 0, 1, 1, 1, 1]


def _matching_case() -> tuple[SyntheticDataset, ClassBatch]:
    generator = torch.Generator().manual_seed(1)
    images, real = (torch.randn(n, 1, 8, 8, dtype=torch.float64, generator=generator) for n in (7, 22))
    synthetic = SyntheticDataset(images.float(), torch.tensor(SYNTHETIC), ["a", "b"])
    synthetic.images, synthetic.student_lr = nn.Parameter(images), nn.Parameter(torch.tensor(0.01).double())
    return synthetic, ClassBatch(0, real, torch.tensor([0] * 11 + [1] * 11), (11, 11))


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with temporary_global_seed(0):
        return make()


class Counting(ConvNet):
    """Counts the images of its forward passes."""

    seen: ClassVar[list[int]] = []

    def embed(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        return super().embed(images)


@pytest.mark.parametrize("features", [embedding_features, attention_features, classified_features])
def test_distribution_matching(features: Callable[..., Sequence[Tensor]]) -> None:
    """DM and DataDAM: class sums of real images, and the gradient through those of the synthetic ones."""
    synthetic, batch = _matching_case()
    loss = AttentionMatchingLoss() if features is attention_features else None
    results = []
    for budget in (None, BUDGET):
        Counting.seen.clear()
        match = DistributionMatching(
            lambda iteration: _seeded(lambda: Counting(2, 1, 2, 8, width=4, depth=2).double()),
            AUGMENT,
            features=features,
            loss=loss,
            memory=MicroBatches(budget),
        )
        results.append(match(synthetic, batch))
        assert (max(Counting.seen) < 7) == (budget is not None)
    (whole, by_whole), (parts, by_parts) = results
    assert torch.allclose(parts, whole, rtol=1e-10)
    assert torch.allclose(by_parts["images"], by_whole["images"], rtol=1e-9, atol=1e-14)


def test_matching_of_measured_means() -> None:
    """With --epsilon: the images of a view in parts."""
    synthetic, _ = _matching_case()
    seen: list[int] = []

    def views(view: int, images: Tensor) -> Tensor:
        seen.append(len(images))
        return images.flatten(1).tanh() @ torch.linspace(-1, 1, 64 * 5, dtype=torch.float64).reshape(64, 5)

    means = NoisyClassMeans(0, 0, torch.ones(2, 5, dtype=torch.float64))
    whole, by_whole = NoisyMeanMatching(views)(synthetic, means)
    parts, by_parts = NoisyMeanMatching(views, memory=MicroBatches(0.001))(synthetic, means)
    assert seen[0] == 7
    assert max(seen[1:]) < 7
    assert torch.allclose(parts, whole, rtol=1e-12)
    assert torch.allclose(by_parts["images"], by_whole["images"], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("vmap", [False, True])
@pytest.mark.parametrize("inner_epochs", [0, 2])
def test_gradient_matching(vmap: bool, inner_epochs: int) -> None:
    """DC and DSA: real gradients, the distance through the synthetic images' gradient, training in between."""
    synthetic, batch = _matching_case()
    synthetic.labels = torch.tensor(([0, 0, 0, 1, 1, 1] if vmap else SYNTHETIC)[: len(synthetic.labels)])
    if vmap:
        synthetic.images = nn.Parameter(synthetic.images.detach()[:6])
    results = []
    for network in (whole := Double(), parts := Double(BUDGET)):
        match = GradientMatching(network, AUGMENT, loop=NetworkLoop(2, inner_epochs, lr=0.1), vmap=vmap)
        match(synthetic, batch)
        results.append(match(synthetic, batch._replace(iteration=1)))
    (value, gradients), (value_in_parts, in_parts) = results
    assert max(parts.seen) < 7 <= max(whole.seen)
    assert torch.allclose(value_in_parts, value, rtol=1e-9)
    assert torch.allclose(in_parts["images"], gradients["images"], rtol=1e-7, atol=1e-12)


def test_a_student_that_runs_out_of_memory_is_unrolled_in_smaller_parts() -> None:
    """Fewer steps at once, then fewer images; the settings are named, and the gradient is the same."""
    synthetic, _ = _matching_case()
    segment = Segment(0, 0, 0, Double().initial(0), Double().initial(1))
    inner, memory = InnerLoop(steps=4), UnrollMemory(chunk=4, images_at_once=7)
    whole, by_whole = TrajectoryMatching(Double(), AUGMENT, inner=inner, memory=memory)(synthetic, segment)
    match = TrajectoryMatching(Small(), AUGMENT, inner=inner, memory=memory)
    with pytest.warns(UserWarning, match="--chunk 1 --images_at_once 3"):
        parts, by_parts = match(synthetic, segment)
    assert match.memory == UnrollMemory(chunk=1, images_at_once=3)
    assert torch.allclose(parts, whole, rtol=1e-10)
    assert torch.allclose(by_parts["images"], by_whole["images"], rtol=1e-8, atol=1e-12)


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
