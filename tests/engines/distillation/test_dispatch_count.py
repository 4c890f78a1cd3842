"""How many operations a student step and its derivative dispatch: where there is little to compute, these decide."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from monai_distill.data import SyntheticDataset
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import InnerLoop, TrajectoryMatching, UnrollMemory
from monai_distill.networks import FlatNetwork
from monai_distill.networks.layers import native_kernel
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

NO_WORK = {"view", "_unsafe_view", "t", "transpose", "permute", "expand", "slice", "select", "unsqueeze", "squeeze",
           "split", "split_with_sizes", "detach", "alias", "as_strided", "unbind"}  # fmt: skip


class Dispatched(TorchDispatchMode):
    """Counts operations that are no views."""

    count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += operation._schema.name.removeprefix("aten::") not in NO_WORK
        return operation(*args, **(kwargs or {}))


def dispatched(steps: int, chunk: int, segments: int) -> int:
    """Operations of an outer iteration of a ConvNet of three blocks, without augmentation, after a first one."""
    network = FlatNetwork(lambda: ConvNet(2, 3, 2, 16, width=4, depth=3))
    data = SyntheticDataset(torch.randn(2, 3, 16, 16), torch.arange(2), ["a", "b"])
    inner, memory = InnerLoop(steps, vmap=segments > 1), UnrollMemory(chunk, 2)
    match = TrajectoryMatching(network, SiameseAugment(()), inner=inner, memory=memory)
    start, target = network.initial(0), network.initial(1)
    batch = [Segment(0, 0, 0, start, target, None, place) for place in range(segments)]
    match(data, batch)
    with Dispatched() as counter:
        match(data, batch)
    return counter.count


def gradients() -> dict[str, Tensor]:
    """Those of images, labels and learning rate through three steps, in double precision."""
    generator = seeded_generator(0, "gradients")
    network = FlatNetwork(lambda: ConvNet(2, 3, 2, 16, width=4, depth=3))
    images = torch.randn(3, 3, 16, 16, generator=generator)
    logits = torch.randn(3, 2, generator=generator)
    data = SyntheticDataset(images, torch.tensor([0, 1, 0]), ["a", "b"], label_logits=logits).double()
    match = TrajectoryMatching(network, SiameseAugment(()), inner=InnerLoop(3), memory=UnrollMemory(1, 2))
    return match(data, Segment(0, 0, 0, network.initial(0).double(), network.initial(1).double()))[1]


def in_a_step(chunk: int) -> float:
    few, many = dispatched(3, min(chunk, 3), 1), dispatched(6, chunk, 1)
    return (many - few) / 3


# 468 and 422 were counted before normalization, loss and update took fewer
@pytest.mark.parametrize(("chunk", "most"), [(1, 468 // 2), (6, 422 // 2)])
def test_where_calls_decide_a_step_and_its_derivative_dispatch_half_of_what_they_did(
    chunk: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_kernel, "CALLED", ())
    assert 0 < in_a_step(chunk) <= most


@pytest.mark.parametrize(("chunk", "most"), [(1, 455), (6, 415)])
def test_on_a_cpu_they_dispatch_no_more_than_they_did(chunk: int, most: int) -> None:
    assert in_a_step(chunk) <= most


def test_where_calls_decide_the_gradients_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = gradients()
    monkeypatch.setattr(native_kernel, "CALLED", ())
    for name, value in gradients().items():
        torch.testing.assert_close(value, plain[name], rtol=1e-10, atol=1e-12)


def test_segments_in_one_call_share_operations() -> None:
    assert dispatched(3, 3, 4) < 2 * dispatched(3, 3, 1)
