"""How many steps the unrolled gradient computes, and when it calls the step's vector-Jacobian product."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from monai_distill.engines.distillation.unroll import unrolled_gradient

STEPS = 6


class CountedStep:
    """``state * leaf``, its vector-Jacobian product, and the calls of both."""

    def __init__(self) -> None:
        self.calls = 0
        self.vjp_calls: list[int] = []

    def __call__(self, state: Tensor, leaves: Sequence[Tensor], number: int) -> Tensor:
        self.calls += 1
        return state * leaves[0]

    def vjp(
        self, state: Tensor, leaves: Sequence[Tensor], number: int, cotangent: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        self.vjp_calls.append(number)
        return cotangent * leaves[0].detach(), [(cotangent * state).sum()]


def _last(states: Sequence[Tensor]) -> Tensor:
    return states[-1].sum()


@pytest.mark.parametrize("chunk", [1, 2, 4, STEPS, 2 * STEPS])
@pytest.mark.parametrize("has_vjp", [False, True])
def test_all_but_the_last_chunk_is_computed_twice(chunk: int, has_vjp: bool) -> None:
    """The docstring: N - chunk steps are computed twice; ``step_vjp`` replaces the replay where ``chunk`` is 1."""
    step = CountedStep()
    _, (gradient,) = unrolled_gradient(
        step, torch.ones(1), [torch.tensor(2.0)], STEPS, _last, chunk, step_vjp=step.vjp if has_vjp else None
    )
    assert float(gradient) == STEPS * 2.0 ** (STEPS - 1)
    if has_vjp and chunk == 1:
        assert (step.calls, step.vjp_calls) == (STEPS, [5, 4, 3, 2, 1, 0])
    else:
        assert (step.calls, step.vjp_calls) == (STEPS + max(STEPS - chunk, 0), [])


@pytest.mark.parametrize("chunk", [1, 3, STEPS])
def test_the_truncated_gradient_computes_every_step_twice(chunk: int) -> None:
    step = CountedStep()
    unrolled_gradient(step, torch.ones(1), [torch.tensor(2.0)], STEPS, _last, chunk, truncated=True)
    assert step.calls == 2 * STEPS


@pytest.mark.parametrize("loss", [lambda states: torch.tensor(3.0), lambda states: states[0].sum() + 2])
def test_a_loss_without_influence_of_the_steps_replays_none(loss: Callable[..., Tensor]) -> None:
    step = CountedStep()
    value, (gradient,) = unrolled_gradient(step, torch.ones(1), [torch.tensor(2.0)], STEPS, loss, 1)
    assert (float(value), float(gradient), step.calls) == (3.0, 0.0, STEPS)


def test_a_product_that_forgets_a_leaf_is_refused() -> None:
    step = CountedStep()
    leaves = [torch.tensor(2.0), torch.tensor(1.0)]
    with pytest.raises(ValueError, match="shorter"):
        unrolled_gradient(step, torch.ones(1), leaves, STEPS, _last, 1, step_vjp=step.vjp)
