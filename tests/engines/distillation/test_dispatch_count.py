"""How many operations a student step and its derivative dispatch: where there is little to compute, these decide."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from monai_distill.data import SyntheticDataset
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import InnerLoop, TrajectoryMatching, UnrollMemory
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
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


@pytest.mark.parametrize(("chunk", "most"), [(1, 480), (6, 435)])
def test_a_step_and_its_derivative_dispatch_no_more_than_they_did(chunk: int, most: int) -> None:
    few, many = dispatched(3, min(chunk, 3), 1), dispatched(6, chunk, 1)
    assert 0 < (many - few) / 3 <= most


def test_segments_in_one_call_share_operations() -> None:
    assert dispatched(3, 3, 4) < 2 * dispatched(3, 3, 1)
