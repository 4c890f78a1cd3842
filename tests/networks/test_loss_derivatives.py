"""The derivatives of a loss against a Hessian and against each other, plain and compiled."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import shutil
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.networks import FlatNetwork
from monai_distill.networks.layers import native_kernel
from monai_distill.networks.loss_derivatives import LossDerivatives
from monai_distill.networks.nets import VGG11, AlexNet, ConvNet, ResNet18

NETWORK = FlatNetwork(functools.partial(ConvNet, 2, 1, 3, 4, width=2, depth=1, activation="silu"))
COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")


def _loss(parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(NETWORK(parameters, images), targets.softmax(dim=1))


@pytest.fixture
def case() -> tuple[Tensor, ...]:
    def random_tensor(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    generator = torch.Generator().manual_seed(0)
    return NETWORK.initial(0).double(), random_tensor(5, 1, 4, 4), random_tensor(5, 3), random_tensor(NETWORK.size)


def _checked(derivatives: LossDerivatives, case: tuple[Tensor, ...]) -> None:
    *arguments, direction = case
    expected = torch.func.grad(_loss)(*arguments)
    torch.testing.assert_close(derivatives.gradient(*arguments), expected)
    inputs = [argument.clone().requires_grad_() for argument in arguments]
    value, actual = derivatives.along(*inputs, direction, inputs)
    torch.testing.assert_close(value, expected @ direction)
    for place, gradient in enumerate(actual):
        mixed = torch.func.jacrev(torch.func.grad(_loss), argnums=place)(*arguments)  # [P, *shape]
        torch.testing.assert_close(gradient, torch.tensordot(direction, mixed, dims=1))
        assert float(gradient.norm()) > 0
    assert not any(t.requires_grad for t in (value, *actual))


def test_plain_ones_are_products_with_the_hessian(case: tuple[Tensor, ...]) -> None:
    _checked(LossDerivatives(_loss), case)


@pytest.mark.parametrize("small", [0, native_kernel.SMALL])
def test_those_of_stacked_networks_are_each_network_s_own(
    case: tuple[Tensor, ...], small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the layers' own derivatives as well, which PyTorch maps over the stack and differentiates from outside."""
    monkeypatch.setattr(native_kernel, "SMALL", small)
    stacked = LossDerivatives(lambda *arguments: torch.func.vmap(_loss)(*arguments).sum())
    alone, other = LossDerivatives(_loss), tuple(1.1 * tensor for tensor in case)
    *arguments, direction = (torch.stack(pair) for pair in zip(case, other, strict=True))
    inputs = [argument.requires_grad_() for argument in arguments]
    value, actual = stacked.along(*inputs, direction, inputs)
    slopes, gradients = [], []
    for *stacked_inputs, along in (case, other):
        leaves = [argument.clone().requires_grad_() for argument in stacked_inputs]
        slope, parts = alone.along(*leaves, along, leaves)
        slopes.append(slope)
        gradients.append([alone.gradient(*stacked_inputs), *parts])
    torch.testing.assert_close(value, torch.stack(slopes).sum())
    expected = [torch.stack(pair) for pair in zip(*gradients, strict=True)]
    torch.testing.assert_close([stacked.gradient(*arguments), *actual], expected)


def test_compiled_ones_are_too(case: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Through PyTorch's tracers, without the C++ compiler behind them, which takes a minute."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    _checked(LossDerivatives(_loss, compiled=True), case)


@pytest.mark.slow
@COMPILER
def test_compiled_ones_are_too_with_the_compiler(case: tuple[Tensor, ...]) -> None:
    _checked(LossDerivatives(_loss, compiled=True), case)


def test_the_gradient_with_a_graph_can_be_differentiated_again(case: tuple[Tensor, ...]) -> None:
    *arguments, direction = case
    inputs = [argument.clone().requires_grad_() for argument in arguments]
    gradient = LossDerivatives(_loss).gradient_with_graph(*inputs)
    expected = LossDerivatives(_loss).along(*inputs, direction, inputs)[1]
    torch.testing.assert_close(torch.autograd.grad(gradient, inputs, direction), expected)


def test_what_does_not_matter_has_a_gradient_of_zeros() -> None:
    ones = [torch.ones(2, requires_grad=True) for _ in range(3)]
    flat = LossDerivatives(lambda parameters, images, targets: (parameters.square() + targets).sum())
    assert flat.along(*ones, torch.ones(2), ones)[1][1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("norm", [torch.nn.LayerNorm(3), torch.nn.BatchNorm1d(3, track_running_stats=False)])
def test_a_network_whose_forward_derivative_pytorch_gets_wrong_is_refused(norm: torch.nn.Module) -> None:
    network = FlatNetwork(lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3), norm))
    derivatives = LossDerivatives(lambda p, images, targets: F.cross_entropy(network(p, images), targets))
    with pytest.raises(ValueError, match=r"off by .*%.*Leave --compile_distillation out"):
        derivatives.check(network.initial(0), torch.rand(4, 1, 4, 4), torch.arange(4) % 3)


@pytest.mark.parametrize("make", [ConvNet, AlexNet, VGG11, ResNet18])
def test_the_networks_of_the_field_are_not(make: Callable[..., torch.nn.Module]) -> None:
    network = FlatNetwork(functools.partial(make, 2, 1, 3, 32, width=4))
    derivatives = LossDerivatives(lambda p, images, targets: F.cross_entropy(network(p, images), targets))
    derivatives.check(network.initial(0), torch.randn(4, 1, 32, 32), torch.arange(4) % 3)
