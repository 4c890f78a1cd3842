"""With CUDA graphs a compiled call writes over the results of the one before: nobody may still need these."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset, TrajectoryStore
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import InnerLoop, TrajectoryMatching, UnrollMemory
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer, FlatDirection, plain_direction
from monai_distill.engines.students import StudentTraining
from monai_distill.networks import FlatNetwork
from monai_distill.transforms import SiameseAugment

MODE = "reduce-overhead"


def reusing(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
    """In the place of ``torch.compile``: results, forward and backward, lie in buffers that the next call fills."""
    buffers: dict[tuple[str, int], Tensor] = {}

    def kept(place: str, number: int, value: Tensor) -> Tensor:
        if (place, number) not in buffers or buffers[place, number].shape != value.shape:
            buffers[place, number] = torch.empty_like(value)
        return buffers[place, number].copy_(value.detach())

    class Recorded(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *arguments: Tensor) -> Any:
            ctx.inputs = [a.detach().requires_grad_(n) for a, n in zip(arguments, ctx.needs_input_grad, strict=True)]
            with torch.enable_grad():
                actual = function(*ctx.inputs)
            several = actual if isinstance(actual, tuple) else (actual,)
            ctx.value = several[0]
            results = tuple(kept("forward", i, value).view_as(value) for i, value in enumerate(several))
            ctx.mark_non_differentiable(*results[1:])
            return results if isinstance(actual, tuple) else results[0]

        @staticmethod
        def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
            wanted = [tensor for tensor in ctx.inputs if tensor.requires_grad]
            actual = iter(torch.autograd.grad(ctx.value, wanted, gradient, materialize_grads=True))
            return tuple(
                kept("backward", i, next(actual)).view_as(tensor) if tensor.requires_grad else None
                for i, tensor in enumerate(ctx.inputs)
            )

    return Recorded.apply


@pytest.fixture(autouse=True)
def _reused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", reusing)


def test_the_buffers_are_reused() -> None:
    double = torch.compile(lambda x: 2 * x)
    first = double(torch.ones(1))
    double(torch.zeros(1))
    assert float(first) == 0


def test_students_keep_what_each_has_learned(network: FlatNetwork, bank: ClassBank) -> None:
    actual, expected = (
        StudentTraining(SiameseAugment(), steps=3, vmap=False, compiled=compiled)(
            network, bank.images, bank.labels, 0.01, range(3)
        )
        for compiled in (MODE, False)
    )
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("direction", [plain_direction, FlatDirection()], ids=["plain", "flat"])
def test_experts_too_and_flat_ones_look_twice(
    network: FlatNetwork, bank: ClassBank, direction: Callable[..., Tensor], tmp_path: Path
) -> None:
    stores = []
    for compiled in (MODE, False):
        folder = tmp_path / str(compiled)
        stores.append(TrajectoryStore(folder, {}, experts=2, snapshots=3, parameters=network.size))
        ExpertTrainer(
            network=network, bank=bank, store=stores[-1],
            protocol=ExpertProtocol(
                SiameseAugment(), epochs=2, lr=0.1, batch_size=5, direction=direction, vmap=False, compiled=compiled
            ),
        ).run()  # fmt: skip
    for expert in range(2):
        for epoch in range(3):
            torch.testing.assert_close(*(store.snapshot(expert, epoch) for store in stores))
        losses = [[row["train_loss"] for row in store.history[expert]] for store in stores]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("vmap", [False, True])
def test_matching_does_in_parts_and_with_several_segments(network: FlatNetwork, bank: ClassBank, vmap: bool) -> None:
    synthetic = SyntheticDataset(
        bank.images.clone(), bank.labels, bank.class_names, student_lr=0.1, label_logits=torch.zeros(len(bank), 3)
    )
    starts = [network.initial(place) for place in range(2)]
    segments = [Segment(0, 0, 0, start, start + 0.05, None, place) for place, start in enumerate(starts)]
    actual, expected = (
        TrajectoryMatching(
            network,
            SiameseAugment(),
            inner=InnerLoop(3, vmap=vmap, compiled=compiled),
            memory=UnrollMemory(chunk=1, images_at_once=4),
        )(synthetic, segments)[1]
        for compiled in (MODE, False)
    )
    for name, gradient in actual.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)
