"""Instance normalization with a second derivative of its own, against a formula in plain operations."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.networks.layers import instance_norm, native_kernel
from monai_distill.networks.layers.instance_norm import InstanceNorm
from monai_distill.runtime.randomness import seeded_generator

Call = Callable[[Tensor, Tensor, Tensor], Tensor]
NORMS = {channels: InstanceNorm(channels).double() for channels in (1, 3, 4)}


@pytest.fixture(autouse=True)
def _even_for_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_kernel, "SMALL", 0)


def ours(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.func.functional_call(NORMS[x.shape[1]], {"weight": weight, "bias": bias}, (x,))


def plain(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    axes = tuple(range(2, x.ndim))
    weight, bias = (value.reshape(-1, *(1,) * len(axes)) for value in (weight, bias))
    deviation = (x.var(axes, keepdim=True, unbiased=False) + 1e-5).sqrt()
    return (x - x.mean(axes, keepdim=True)) / deviation * weight + bias


def inputs(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = seeded_generator(0, "norm", *shape)
    shapes = [shape, shape[1:2], shape[1:2]]
    return [torch.randn(s, generator=generator, dtype=dtype).requires_grad_() for s in shapes]


SHAPES = [(3, 4, 6, 5), (2, 4, 3, 4, 5), (1, 1, 7, 7)]


@pytest.mark.parametrize("shape", SHAPES)
def test_value_gradient_and_gradient_of_the_gradient_are_those_of_the_formula(shape: tuple[int, ...]) -> None:
    parts = inputs(shape)
    results = []
    for function in (ours, plain):
        generator = seeded_generator(1, "cotangents")
        value = function(*parts)
        pull = torch.randn(value.shape, generator=generator, dtype=value.dtype).requires_grad_()
        first = torch.autograd.grad(value, parts, pull, create_graph=True)
        pulls = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in parts]
        second = torch.autograd.grad(first, [parts[0], parts[1], pull], pulls)
        results.append([value, *first, *second])
    for actual, expected in zip(*results, strict=True):
        assert float(expected.norm()) > 0
        torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-10)


def test_second_derivatives_equal_differences() -> None:
    assert torch.autograd.gradgradcheck(ours, inputs((2, 3, 3, 3)))


def test_cotangents_without_values_of_their_own_count_as_well() -> None:
    """A sum's gradient is one value, expanded: a kernel that reads memory in order would read past it."""
    parts = inputs((2, 3, 4, 4))
    results = []
    for function in (ours, plain):
        first = torch.autograd.grad(function(*parts).pow(3).sum(), parts, create_graph=True)
        results.append(torch.autograd.grad(sum(value.sum() for value in first), parts[:2]))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("place", range(3))
def test_one_cotangent_of_three_is_enough(place: int) -> None:
    parts = inputs((2, 3, 4, 4))
    results = []
    for function in (ours, plain):
        first = torch.autograd.grad(function(*parts).pow(3).sum(), parts, create_graph=True)
        results.append(torch.autograd.grad(first[place].pow(2).sum(), parts[:2]))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-8)


def test_a_constant_image_has_finite_derivatives() -> None:
    x = torch.ones(2, 3, 4, 4, requires_grad=True)
    weight, bias = torch.ones(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    (first,) = torch.autograd.grad(ours(x, weight, bias).square().sum(), weight, create_graph=True)
    second = torch.autograd.grad(first.sum(), [x, weight])
    assert all(bool(torch.isfinite(value).all()) for value in second)


def _first(function: Call) -> Call:
    return lambda *parts: torch.func.grad(lambda *p: (function(*p) ** 3).sum(), argnums=1)(*parts)


def _second(function: Call) -> Call:
    return lambda *parts: torch.func.grad(lambda *p: _first(function)(*p).sin().sum())(*parts)


def _forward_mode(function: Call) -> Call:
    return lambda *parts: torch.func.jvp(function, parts, tuple(part.flip(-1) for part in parts))[1]


def _gradient_of_forward_mode(function: Call) -> Call:
    return lambda *parts: torch.func.grad(lambda *p: (_forward_mode(function)(*p) ** 3).sum(), argnums=(0, 1))(*parts)


@pytest.mark.parametrize("derived", [lambda f: f, _first, _second, _forward_mode, _gradient_of_forward_mode])
def test_it_works_under_the_function_transforms(derived: Callable[[Call], Call]) -> None:
    stacks = [torch.stack([part.detach(), 2 * part.detach()]) for part in inputs((2, 3, 4, 4))]
    actual, expected = (torch.func.vmap(derived(function))(*stacks) for function in (ours, plain))
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-9)


def test_parameters_are_those_of_group_norm_with_a_channel_per_group() -> None:
    norm, group = InstanceNorm(4), torch.nn.GroupNorm(4, 4)
    group.load_state_dict(norm.state_dict())
    x = torch.randn(2, 4, 5, 5, generator=seeded_generator(0))
    torch.testing.assert_close(norm(x), group(x))
    torch.testing.assert_close(torch.jit.trace(norm, x)(x), F.group_norm(x, 4, norm.weight, norm.bias))


def test_a_small_batch_is_not_where_calls_decide_and_a_second_derivative_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer, images = InstanceNorm(3), torch.randn(2, 3, 4, 4, generator=seeded_generator(0, "few"), requires_grad=True)
    own = str(layer(images).grad_fn).split(" at")[0]
    monkeypatch.setattr(native_kernel, "SMALL", images.numel() + 1)
    with native_kernel.second_derivative_follows():
        on_a_cpu = str(layer(images).grad_fn)
        monkeypatch.setattr(native_kernel, "CALLED", ())
        assert str(layer(images).grad_fn).startswith(own)
        mapped = torch.func.vmap(layer)(images[None])
    assert not on_a_cpu.startswith(own)
    assert not str(layer(images).grad_fn).startswith(own)
    torch.testing.assert_close(mapped[0], layer(images))


def test_a_stored_signature_is_the_function_s_own() -> None:
    forward = instance_norm._Normalize.forward
    stored = inspect.signature(forward)
    assert vars(forward)["__signature__"] is stored  # nothing is inspected again
    assert list(stored.parameters) == ["x", "weight", "bias", "eps"]


def test_a_small_batch_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, images = InstanceNorm(3), torch.randn(2, 3, 4, 4, generator=seeded_generator(0, "small"), requires_grad=True)
    fast_path = str(layer(images).grad_fn)
    monkeypatch.setattr(native_kernel, "SMALL", images.numel() + 1)
    assert str(layer(images).grad_fn) != fast_path
    torch.testing.assert_close(layer(images), torch.nn.GroupNorm(3, 3)(images))
