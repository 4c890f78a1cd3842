"""The plain, the for_vmap and the compiled gradient are one."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._inductor import list_mode_options

from monai_distill.networks import FlatNetwork
from monai_distill.networks.gradients import COMPILER_MODES, parameter_gradient, through_compiler
from monai_distill.networks.nets import ConvNet

NETWORK = FlatNetwork(partial(ConvNet, 2, 1, 3, 8, width=4, depth=2))


def _loss(parameters: Tensor, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits = NETWORK(parameters, images)
    return torch.nn.functional.cross_entropy(logits, targets), logits.detach().argmax(dim=1)


def _case() -> tuple[Tensor, Tensor, Tensor]:
    return NETWORK.initial(0), torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3


def _by_hand(parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
    module = NETWORK.load_into(NETWORK.factory(), parameters)
    torch.nn.functional.cross_entropy(module(images), targets).backward()
    return torch.cat([p.grad.reshape(-1) for p in module.parameters() if p.grad is not None])


@pytest.mark.parametrize("for_vmap", [False, True])
def test_the_gradient_is_that_of_an_ordinary_backward_pass(for_vmap: bool) -> None:
    gradient, classes = parameter_gradient(_loss, for_vmap=for_vmap)(*_case())
    torch.testing.assert_close(gradient, _by_hand(*_case()))
    assert classes.shape == (6,)
    assert not gradient.requires_grad


def test_it_is_found_where_gradients_are_off() -> None:
    with torch.no_grad():
        gradient, _ = parameter_gradient(_loss, for_vmap=False)(*_case())
    torch.testing.assert_close(gradient, _by_hand(*_case()))


def test_the_gradient_for_vmap_can_be_mapped_over_networks() -> None:
    parameters, images, targets = _case()
    stack = torch.stack([parameters, NETWORK.initial(1)])
    mapped = torch.func.vmap(parameter_gradient(_loss, for_vmap=True), in_dims=(0, None, None))
    torch.testing.assert_close(mapped(stack, images, targets)[0][1], _by_hand(stack[1], images, targets))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_the_compiled_one_differs_by_rounding() -> None:
    gradient, _ = parameter_gradient(_loss, for_vmap=False, compiled=True)(*_case())
    torch.testing.assert_close(gradient, _by_hand(*_case()), rtol=1e-4, atol=1e-6)


def test_a_stack_is_not_compiled() -> None:
    with pytest.raises(ValueError, match="for_vmap or compiled"):
        parameter_gradient(_loss, for_vmap=True, compiled=True)


def test_a_function_is_unchanged_or_compiled_in_the_requested_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, "compile", lambda function, **settings: calls.append(settings) or (lambda x: -x))
    assert through_compiler(abs, False) is abs
    assert calls == []
    assert through_compiler(abs, True)(1) == -1
    assert through_compiler(abs, "reduce-overhead")(1) == -1
    assert calls == [{"dynamic": False, "mode": None}, {"dynamic": False, "mode": "reduce-overhead"}]


def test_the_modes_are_pytorch_s_and_others_are_refused() -> None:
    assert {*COMPILER_MODES} < {*list_mode_options()}
    with pytest.raises(ValueError, match=r"one of reduce-overhead, .* got 'fast'"):
        through_compiler(abs, "fast")
