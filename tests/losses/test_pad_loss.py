"""PAD: the parameters of deep layers are matched, or those with the largest errors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses import MaskedTrajectoryLoss, TrajectoryMatchingLoss
from monai_distill.losses.pad_loss import ParameterMask, deep_layers, largest_errors, parameter_mask
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from tests.losses.segments import segment


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_the_loss_mask_drops_the_smallest_errors_from_numerator_and_denominator(ratio: float) -> None:
    start, end, target = torch.randn(3, 101, generator=seeded_generator(0), dtype=torch.float64)
    error, way = ((end - target).numpy() ** 2, (start - target).numpy() ** 2)
    kept = np.argsort(error)[int(ratio * 101) :]
    states = [start, target, end]  # only the last state counts
    value = MaskedTrajectoryLoss(largest_errors(ratio))(states, segment(start, target))
    assert float(value) == pytest.approx(error[kept].sum() / way[kept].sum(), rel=1e-12)


@pytest.mark.parametrize(("ratio", "dropped"), [(0.0, 0), (0.24, 0), (0.25, 1), (0.5, 2), (0.75, 3), (0.99, 3)])
def test_the_depth_mask_drops_whole_shallow_layers(ratio: float, dropped: int) -> None:
    network = FlatNetwork(lambda: ConvNet(2, 1, 3, 8, width=4, depth=3))  # three blocks and the classifier
    assert sum(len(shape) >= 2 for shape in network.shapes) == 4
    block = [4 * 9 + 4 + 4 + 4, 4 * 4 * 9 + 4 + 4 + 4, 4 * 4 * 9 + 4 + 4 + 4]
    keep = deep_layers(ratio, network.shapes)(torch.zeros(network.size), None)  # type: ignore[arg-type]
    assert keep.tolist() == [i >= sum(block[:dropped]) for i in range(network.size)]
    start, end, target = torch.randn(3, network.size, generator=seeded_generator(1))
    value = MaskedTrajectoryLoss(deep_layers(ratio, network.shapes))([start, end], segment(start, target))
    low = sum(block[:dropped])
    expected = (end - target)[low:].square().sum() / (start - target)[low:].square().sum()
    torch.testing.assert_close(value, expected)


def test_parameters_before_the_first_weight_belong_to_the_first_layer() -> None:
    keep = deep_layers(0.5, [(3,), (3, 2), (3,), (2, 3)])(torch.zeros(18), None)  # type: ignore[arg-type]
    assert keep.tolist() == [False] * 12 + [True] * 6
    assert bool(deep_layers(0.0, [(3,), (3, 2)])(torch.zeros(9), None).all())  # type: ignore[arg-type]


def test_a_network_of_vectors_alone_is_one_layer_that_is_never_left_out() -> None:
    assert bool(deep_layers(0.9, [(3,), (4,)])(torch.zeros(7), None).all())  # type: ignore[arg-type]


def test_of_equal_errors_the_first_parameters_are_left_out() -> None:
    state = torch.tensor([1.0, -2.0]).repeat(50)  # 50 squared errors of 1 and 50 of 4
    mask = largest_errors(0.75)(state, segment(torch.ones(100), torch.zeros(100)))
    assert mask.tolist() == [False] * 50 + [False, True] * 25


@pytest.mark.parametrize("mask", [largest_errors(0.0), deep_layers(0.0, [(20, 2)])])
def test_no_mask_is_the_ordinary_loss(mask: object) -> None:
    start, end, target = torch.randn(3, 40, generator=seeded_generator(2))
    given = segment(start, target)
    value = MaskedTrajectoryLoss(mask)([start, end], given)  # type: ignore[arg-type]
    assert float(value) == float(TrajectoryMatchingLoss()([start, end], given))


def test_masked_parameters_and_the_choice_get_no_gradient() -> None:
    start, end, target = torch.randn(3, 10, generator=seeded_generator(3), dtype=torch.float64)
    end.requires_grad_()
    (gradient,) = torch.autograd.grad(
        MaskedTrajectoryLoss(largest_errors(0.4))([start, end], segment(start, target)), end
    )
    difference = (end - target).detach()
    kept = difference.square().argsort()[4:]
    expected = torch.zeros_like(start)
    expected[kept] = 2 * difference[kept] / (start - target)[kept].square().sum()
    torch.testing.assert_close(gradient, expected)


def test_a_mask_of_parameters_that_the_expert_did_not_move_does_not_divide_by_zero() -> None:
    start, target = torch.zeros(4), torch.tensor([0.0, 0.0, 1.0, 1.0])
    end = torch.tensor([5.0, 5.0, 1.0, 0.5])  # the largest errors lie where the expert did not move
    value = MaskedTrajectoryLoss(largest_errors(0.5))([start, end], segment(start, target))
    assert float(value) == float(TrajectoryMatchingLoss()([start, end], segment(start, target)))


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_a_ratio_that_masks_everything_is_refused(ratio: float) -> None:
    for make in (largest_errors, lambda r: deep_layers(r, [(2, 2)])):
        with pytest.raises(ValueError, match="from 0 to below 1"):
            make(ratio)


@pytest.mark.parametrize("ratio", [0.5, 0.7])
def test_a_configuration_chooses_the_mask_by_name(ratio: float) -> None:
    shapes = [(2, 1), (2,), (2, 2), (2,)]
    state, target = torch.randn(2, 10, generator=seeded_generator(5))
    given = segment(torch.zeros(10), target)
    for name, mask in (("depth", deep_layers(ratio, shapes)), ("loss", largest_errors(ratio))):
        assert torch.equal(parameter_mask(name, ratio, shapes)(state, given), mask(state, given))
    with pytest.raises(ValueError, match="depth or loss, got 'width'"):
        parameter_mask("width", ratio, shapes)


@pytest.mark.parametrize("mask", [largest_errors(0.5), deep_layers(0.5, [(2, 2), (2, 3)])])
def test_the_mask_lies_on_the_device_of_the_student(mask: ParameterMask) -> None:
    state, target = torch.zeros(2, 10, device="meta")
    assert mask(state, segment(state, target)).device.type == "meta"
