"""Average pooling by slices against PyTorch's own, values and derivatives."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from monai_distill.networks.layers import average_pool, native_kernel
from monai_distill.networks.layers.average_pool import AveragePool
from monai_distill.runtime.randomness import seeded_generator

KERNELS = {1: nn.AvgPool1d(2), 2: nn.AvgPool2d(2), 3: nn.AvgPool3d(2)}
SHAPES = [(2, 3, 5), (2, 3, 8, 6), (2, 3, 7, 5), (1, 2, 3, 4), (2, 3, 5, 4, 6)]


@pytest.fixture(autouse=True)
def _even_for_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_kernel, "SMALL", 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_value_gradient_and_gradient_of_the_gradient_are_those_of_the_kernel(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=seeded_generator(0), dtype=torch.float64).requires_grad_()
    results = []
    for pool in (AveragePool(len(shape) - 2), KERNELS[len(shape) - 2]):
        value = pool(x)
        (first,) = torch.autograd.grad((value**3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sin().sum(), x)
        results.append((value, first, second))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_works_under_the_function_transforms(shape: tuple[int, ...]) -> None:
    stack = torch.randn(2, *shape, generator=seeded_generator(1), dtype=torch.float64)

    def transformed(pool: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        def first(x: Tensor) -> Tensor:
            return torch.func.grad(lambda y: (pool(y) ** 3).sum())(x)

        second = torch.func.vmap(torch.func.grad(lambda x: first(x).sin().sum()))(stack)
        along = torch.func.grad(lambda x: (torch.func.jvp(pool, (x,), (x.sin(),))[1] ** 3).sum())
        return second, torch.func.jvp(first, (stack[0],), (stack[1],))[1], along(stack[0])

    pools = (AveragePool(len(shape) - 2), KERNELS[len(shape) - 2])
    for actual, expected in zip(*map(transformed, pools), strict=True):
        torch.testing.assert_close(actual, expected)


def test_a_small_batch_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, images = AveragePool(2), torch.randn(2, 3, 4, 4, generator=seeded_generator(0, "small"), requires_grad=True)
    fast_path = str(layer(images).grad_fn)
    monkeypatch.setattr(native_kernel, "SMALL", images.numel() + 1)
    assert str(layer(images).grad_fn) != fast_path
    torch.testing.assert_close(layer(images), nn.AvgPool2d(2)(images))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_one_copy_of_a_gpu_has_the_values_of_a_cpu(shape: tuple[int, ...]) -> None:
    x, dims = torch.randn(shape, generator=seeded_generator(2)), len(shape) - 2
    assert torch.equal(average_pool._expanded(x, dims), average_pool._repeated(x, dims))
