"""Recorded functions against the functions, with a recorder that behaves as a CUDA graph does, and on a GPU."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data import SyntheticDataset
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import InnerLoop, TrajectoryMatching
from monai_distill.engines.students import StudentTraining
from monai_distill.networks import FlatNetwork, cuda_graphs
from monai_distill.networks.cuda_graphs import CUDA_GRAPHS, Recorded
from monai_distill.networks.gradients import parameter_gradient
from monai_distill.networks.loss_derivatives import LossDerivatives
from monai_distill.networks.nets import ConvNet
from monai_distill.transforms import SiameseAugment

NETWORK = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))


def _loss(parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(NETWORK(parameters, images), targets)


class Recorder:
    """A CUDA graph on a CPU: it reads the memory of its inputs and writes over its results in every replay."""

    def __init__(self) -> None:
        self.recordings = 0

    def __call__(
        self, function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]
    ) -> tuple[Callable[[], object], Sequence[Tensor]]:
        self.recordings += 1
        results = [torch.full_like(result, torch.nan) for result in function(*inputs)]

        def replay() -> None:
            for result, value in zip(results, function(*inputs), strict=True):
                result.copy_(value)

        return replay, results


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(cuda_graphs, "record_on_gpu", made)
    return made


def test_every_shape_is_recorded_once_and_results_outlive_the_next_call() -> None:
    recorder = Recorder()
    double = Recorded(lambda x: [2 * x], recorder)
    (first,) = double(torch.ones(2))
    (second,) = double(torch.full((2,), 3.0))
    assert (first.tolist(), second.tolist(), recorder.recordings) == ([2.0, 2.0], [6.0, 6.0], 1)
    double(torch.ones(3))
    assert recorder.recordings == 2


def test_inputs_may_be_views_of_larger_tensors() -> None:
    table = torch.arange(6.0).reshape(2, 3)
    double = Recorded(lambda x: [2 * x], Recorder())
    assert double(table.t()[:2])[0].tolist() == (2 * table.t()[:2]).tolist()
    assert double(table[:1].expand(3, 2, 3)[:, 0, :2])[0].shape == (3, 2)


def test_recorded_derivatives_are_the_plain_ones(recorder: Recorder) -> None:
    plain, recorded = LossDerivatives(_loss), LossDerivatives(_loss, compiled=CUDA_GRAPHS)
    for seed in range(2):
        images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        direction, targets = NETWORK.initial(seed + 10), torch.arange(5) % 2
        arguments = [NETWORK.initial(seed), images, targets]
        torch.testing.assert_close(recorded.gradient(*arguments), plain.gradient(*arguments), rtol=0, atol=0)
        for learned in ([0], [0, 1]):
            inputs = [tensor.detach() for tensor in arguments]
            leaves = [inputs[place].requires_grad_() for place in learned]
            expected = plain.along(*inputs, direction, leaves)
            torch.testing.assert_close(recorded.along(*inputs, direction, leaves), expected, rtol=0, atol=0)
    assert recorder.recordings == 3  # the gradient, and a derivative for either choice of leaves


def test_an_iteration_of_recorded_steps_has_the_gradient_of_plain_ones(recorder: Recorder) -> None:
    data = SyntheticDataset(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 0, 1]), ["a", "b"])
    segments = [Segment(0, 0, 0, NETWORK.initial(0), NETWORK.initial(1), None, place) for place in range(2)]

    def outcome(compiled: bool | str) -> tuple[Tensor, dict[str, Tensor]]:
        inner = InnerLoop(3, batch_size=3, vmap=True, compiled=compiled)
        return TrajectoryMatching(NETWORK, SiameseAugment(), inner=inner)(data, segments)

    torch.testing.assert_close(outcome(CUDA_GRAPHS), outcome(False))
    assert recorder.recordings == 4  # whole and short batches, a gradient and a derivative of each


def test_students_of_recorded_steps_are_those_of_plain_ones(recorder: Recorder) -> None:
    images, labels = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 0, 1])

    def trained(compiled: bool | str) -> Tensor:
        protocol = StudentTraining(SiameseAugment(), steps=5, vmap=False, compiled=compiled)
        return protocol(NETWORK, images, labels, 0.01, [1, 2])

    torch.testing.assert_close(trained(CUDA_GRAPHS), trained(False))
    assert recorder.recordings > 0


def test_without_a_gpu_it_is_refused() -> None:
    def loss(parameters: Tensor) -> tuple[Tensor, Tensor]:
        value = parameters.square().sum()
        return value, value.detach()

    with pytest.raises(RuntimeError, match=r"CUDA GPU for cuda-graphs, got cpu\. .*--device cuda"):
        parameter_gradient(loss, for_vmap=False, compiled=CUDA_GRAPHS)(torch.ones(2))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_recorded_derivatives_are_the_plain_ones() -> None:
    network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1)).to("cuda")

    def loss(parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(network(parameters, images), targets)

    plain, recorded = LossDerivatives(loss), LossDerivatives(loss, compiled=CUDA_GRAPHS)
    for seed in range(3):
        arguments = [network.initial(seed).cuda(), torch.randn(5, 1, 8, 8).cuda(), (torch.arange(5) % 2).cuda()]
        torch.testing.assert_close(recorded.gradient(*arguments), plain.gradient(*arguments))
        leaves = [arguments[0].requires_grad_(), arguments[1].requires_grad_()]
        direction = network.initial(seed + 10).cuda()
        expected = plain.along(*arguments, direction, leaves)
        torch.testing.assert_close(recorded.along(*arguments, direction, leaves), expected)
