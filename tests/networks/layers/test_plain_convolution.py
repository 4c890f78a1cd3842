"""Convolution with a second derivative of its own, against PyTorch's."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from monai_distill.networks.layers import native_kernel
from monai_distill.networks.layers.plain_convolution import PlainConvolution
from monai_distill.runtime.randomness import seeded_generator, temporary_global_seed

Call = Callable[..., Tensor]
PLAIN = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}


@pytest.fixture(autouse=True)
def _even_for_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_kernel, "SMALL", 0)


@dataclass(frozen=True)
class Case:
    """Images and the setting of a convolution."""

    images: tuple[int, ...]
    out: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    bias: bool = True

    @property
    def dims(self) -> int:
        return len(self.images) - 2

    def ours(self) -> Call:
        sizes = self.kernel, self.stride, self.padding, self.bias
        layer = PlainConvolution(self.dims, self.images[1], self.out, *sizes).double()
        names = [name for name, _ in layer.named_parameters()]
        return lambda x, *p: torch.func.functional_call(layer, dict(zip(names, p, strict=True)), (x,))

    def plain(self) -> Call:
        return lambda x, *p: PLAIN[self.dims](x, *p, stride=self.stride, padding=self.padding)

    def inputs(self) -> list[Tensor]:
        generator = seeded_generator(0, "convolution", *self.images)
        shapes = [self.images, (self.out, self.images[1], *(self.kernel,) * self.dims), (self.out,)]
        made = [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]
        return made if self.bias else made[:2]


FEW = Case((3, 1, 6, 5), 9)  # channels: the images' gradient is a matrix product
CASES = [
    FEW,
    Case((2, 2, 7, 6), 50, kernel=5, padding=2),
    Case((2, 1, 6, 5), 12, padding=0),
    Case((2, 4, 6, 5), 3),
    Case((2, 4, 7, 6), 5, stride=2, bias=False),
    Case((2, 4, 6, 6), 5, kernel=1, stride=2, padding=0, bias=False),
    Case((2, 1, 9), 4),
    Case((2, 1, 4, 5, 3), 30),
    Case((2, 3, 4, 5, 3), 2),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_gradient_and_gradient_of_the_gradient_are_those_of_pytorch(case: Case) -> None:
    parts = case.inputs()
    results = []
    for function in (case.ours(), case.plain()):
        generator = seeded_generator(1, "cotangents")
        value = function(*parts)
        pull = torch.randn(value.shape, generator=generator, dtype=value.dtype).requires_grad_()
        first = torch.autograd.grad(value, parts, pull, create_graph=True)
        pulls = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in parts]
        second = torch.autograd.grad(first, [*parts[:2], pull], pulls)
        results.append([value, *first, *second])
    for actual, expected in zip(*results, strict=True):
        assert expected.norm().item() > 0
        torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("case", [FEW, Case((2, 3, 3, 3), 2)], ids=str)
def test_second_derivatives_equal_differences(case: Case) -> None:
    assert torch.autograd.gradgradcheck(case.ours(), case.inputs())


VARIED = [(0,), (1,), (2,), (0, 1), (1, 2)]  # of images, weight and bias
FIXED = [(), (0,), (1,), (0, 2)]


@pytest.mark.parametrize(("varied", "fixed"), [(a, f) for a in VARIED for f in FIXED if not set(a) & set(f)])
def test_any_input_may_be_fixed_and_any_gradient_computed(varied: tuple[int, ...], fixed: tuple[int, ...]) -> None:
    parts = [part.detach().requires_grad_(place not in fixed) for place, part in enumerate(FEW.inputs())]
    results = []
    for function in (FEW.ours(), FEW.plain()):
        value = function(*parts)
        first = torch.autograd.grad((value**3).sum(), [parts[place] for place in varied], create_graph=True)
        leaves = [part for part in parts if part.requires_grad]
        results.append([*first, *torch.autograd.grad(sum(part.sin().sum() for part in first), leaves)])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-10)


def _first(function: Call) -> Call:
    return lambda *parts: torch.func.grad(lambda *p: (function(*p) ** 3).sum(), argnums=1)(*parts)


def _second(function: Call) -> Call:
    return lambda *parts: torch.func.grad(lambda *p: _first(function)(*p).sin().sum())(*parts)


def _forward_mode(function: Call) -> Call:
    return lambda *parts: torch.func.jvp(function, parts, tuple(part.flip(0) for part in parts))[1]


def _gradient_of_forward_mode(function: Call) -> Call:
    return lambda *parts: torch.func.grad(lambda *p: (_forward_mode(function)(*p) ** 3).sum(), argnums=(0, 1))(*parts)


@pytest.mark.parametrize("case", [FEW, Case((2, 4, 7, 6), 5, stride=2, bias=False)], ids=str)
@pytest.mark.parametrize("derived", [lambda f: f, _first, _second, _forward_mode, _gradient_of_forward_mode])
def test_it_works_under_the_function_transforms(derived: Callable[[Call], Call], case: Case) -> None:
    stacks = [torch.stack([part.detach(), 2 * part.detach()]) for part in case.inputs()]
    for shared in (None, 0, 1):  # the images or the weight may be one for all networks
        given = [stack[0] if place == shared else stack for place, stack in enumerate(stacks)]
        in_dims = tuple(None if place == shared else 0 for place in range(len(stacks)))
        actual, expected = (torch.func.vmap(derived(f), in_dims)(*given) for f in (case.ours(), case.plain()))
        torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_first_draw_is_that_of_pytorch(dims: int) -> None:
    made = []
    for kind in (lambda *a: PlainConvolution(dims, *a), (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]):
        with temporary_global_seed(0):
            made.append(kind(2, 3, 3).state_dict())
    assert made[0].keys() == made[1].keys()
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_a_small_batch_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, images = (
        PlainConvolution(2, 3, 2, 3, padding=1),
        torch.randn(2, 3, 4, 4, generator=seeded_generator(0, "small")),
    )
    fast_path = str(layer(images).grad_fn)
    monkeypatch.setattr(native_kernel, "SMALL", 2 * 2 * 4 * 4 + 1)
    assert str(layer(images).grad_fn) != fast_path
    plain = nn.functional.conv2d(images, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(images), plain)
    torch.testing.assert_close(torch.jit.trace(layer, images)(images), plain)
    torch.testing.assert_close(torch.jit.script(layer)(images), plain)
