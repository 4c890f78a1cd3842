"""Every objective matches decoded images and returns the gradient of the canvases."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_distill.data import SyntheticDataset
from monai_distill.data.class_batches import ClassBatch, NoisyClassMeans
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import (
    DistributionMatching,
    GradientMatching,
    InnerLoop,
    NetworkLoop,
    RandomNetworks,
    TrajectoryMatching,
    UnrollMemory,
)
from monai_distill.engines.distillation.fixed_view_matching import NoisyMeanMatching
from monai_distill.engines.distillation.student_plan import StudentPlan
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import CanvasDecode, SiameseAugment

LABELS = torch.tensor([0, 1, 1])


def module() -> ConvNet:
    return ConvNet(2, 1, 2, 8, width=4, depth=1)


def make(decode: CanvasDecode, *, soft: bool = False) -> SyntheticDataset:
    generator = seeded_generator(0, "synthetic")
    count = len(decode.cells(LABELS.tolist(), 2).canvas)
    logits = torch.randn(count, 2, generator=generator) if soft else None
    images = torch.randn(3, 1, 8, 8, generator=generator)
    return SyntheticDataset(images, LABELS, ["a", "b"], student_lr=0.05, label_logits=logits, decode=decode).double()


def real_batch() -> ClassBatch:
    images = torch.randn(8, 1, 8, 8, generator=seeded_generator(0, "real"), dtype=torch.float64)
    return ClassBatch(0, images, torch.arange(2).repeat_interleave(4), (4, 4))


def class_objectives() -> dict[str, tuple[Callable[..., Any], Any]]:
    network = FlatNetwork(module)
    return {
        "distribution": (DistributionMatching(RandomNetworks(module), SiameseAugment()), real_batch()),
        "gradient": (GradientMatching(network, SiameseAugment(), loop=NetworkLoop(1, 0)), real_batch()),
        "measured": (
            NoisyMeanMatching(lambda view, images: images.flatten(1).sin()),
            NoisyClassMeans(0, 0, torch.ones(2, 64, dtype=torch.float64)),
        ),
    }


@pytest.mark.parametrize("decode", [CanvasDecode(2), CanvasDecode(2, "multi"), CanvasDecode(2, "bound", at_most=5)])
@pytest.mark.parametrize("name", class_objectives())
def test_the_gradient_of_canvases_is_that_of_their_images_through_the_decode(name: str, decode: CanvasDecode) -> None:
    match, batch = class_objectives()[name]
    data = make(decode)
    images = data.decoded()
    loss, gradients = match(data, batch)
    match, batch = class_objectives()[name]
    plain = SyntheticDataset(images, data.labels, data.class_names).double()
    with torch.no_grad():  # without the rounding of the constructor
        plain.images.copy_(images)
    expected_loss, by_image = match(plain, batch)
    (expected,) = torch.autograd.grad(images, data.images, by_image["images"])
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-9)
    torch.testing.assert_close(gradients["images"], expected, rtol=1e-7, atol=1e-10)


def segment() -> Segment:
    network = FlatNetwork(module)
    return Segment(0, 0, 0, network.initial(0).double(), network.initial(1).double())


def naive(data: SyntheticDataset, steps: int) -> dict[str, Tensor]:
    """The whole unroll in one graph, written with plain autograd."""
    network, part = FlatNetwork(module), segment()
    generator = seeded_generator(0, "student steps", 0)
    labels = None if data.soft else data.labels
    plan = StudentPlan.random(data, SiameseAugment(), steps, None, generator, labels=labels)
    state = part.start.clone().requires_grad_()
    for rows, augmentation in zip(plan.batches, plan.augmentations, strict=True):
        images = SiameseAugment().apply(data.decoded(numbers=rows), augmentation)
        targets = data.label_logits[rows].softmax(dim=1) if data.soft else data.labels[rows]
        loss = torch.nn.functional.cross_entropy(network(state, images), targets)
        state = state - data.student_lr * torch.autograd.grad(loss, state, create_graph=True)[0]
    distance = (state - part.target).square().sum() / (part.start - part.target).square().sum()
    named = dict(data.named_parameters())
    return dict(zip(named, torch.autograd.grad(distance, list(named.values())), strict=True))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("chunk", [1, 3])
def test_a_student_learns_from_one_image_of_every_canvas_in_each_step(chunk: int, soft: bool) -> None:
    data = make(CanvasDecode(2, "multi"), soft=soft)
    match = TrajectoryMatching(
        FlatNetwork(module), SiameseAugment(), inner=InnerLoop(steps=3), memory=UnrollMemory(chunk=chunk)
    )
    _, gradients = match(data, segment())
    for name, expected in naive(data, 3).items():
        torch.testing.assert_close(gradients[name], expected, rtol=1e-6, atol=1e-9)


def test_the_images_of_a_step_are_of_different_canvases_and_all_come_up() -> None:
    data = make(CanvasDecode(2, "bound", at_most=5))
    plan = StudentPlan.random(data, SiameseAugment(()), 60, None, seeded_generator(0, "plan"), labels=data.labels)
    assert all(sorted(data.sources[rows].tolist()) == [0, 1, 2] for rows in plan.batches)
    assert set(torch.cat(list(plan.batches)).tolist()) == set(range(len(data)))
