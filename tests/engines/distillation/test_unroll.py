"""The chunked gradient against closed forms and against one graph over everything."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monai_distill.engines.distillation.unroll import unrolled_gradient
from monai_distill.losses import NearestStepLoss
from monai_distill.runtime.randomness import seeded_generator

STEPS = 7


def _wavy_step(state: Tensor, leaves: Sequence[Tensor], number: int) -> Tensor:
    matrix, bias, rate = leaves
    return state - rate * torch.tanh(matrix @ state + bias[number])


def _leaves() -> tuple[Tensor, list[Tensor]]:
    generator = seeded_generator(0, "unroll")
    start = torch.randn(5, generator=generator, dtype=torch.float64)
    matrix = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    bias = torch.randn(STEPS, 5, generator=generator, dtype=torch.float64)
    return start, [matrix, bias, torch.tensor(0.3, dtype=torch.float64)]


def _reference_gradient(start: Tensor, leaves: list[Tensor], loss: Callable[..., Tensor]) -> tuple[Tensor, ...]:
    """MTT (https://arxiv.org/abs/2203.11932, algorithm 1): one graph over all steps."""

    def through(*copies: Tensor) -> Tensor:
        states = [start]
        for number in range(STEPS):
            states.append(_wavy_step(states[-1], copies, number))
        return loss(states)

    return through(*leaves), *torch.func.grad(through, argnums=(0, 1, 2))(*leaves)


LOSSES = {
    "last": lambda states: states[-1].square().sum(),
    "middle": lambda states: states[STEPS // 2].square().sum(),
    "first step": lambda states: states[1].sin().sum(),
    "several": lambda states: (states[-1] * states[2]).sum() + states[3].exp().sum() + states[0].sum(),
    "all": lambda states: sum(i * state.square().sum() for i, state in enumerate(states)),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("chunk", [1, 2, 3, STEPS - 1, STEPS, 10 * STEPS])
def test_every_chunk_gives_the_gradient_of_one_graph(chunk: int, loss: Callable[..., Tensor]) -> None:
    start, leaves = _leaves()
    value, gradients = unrolled_gradient(_wavy_step, start, leaves, STEPS, loss, chunk)
    expected_value, *expected = _reference_gradient(start, leaves, loss)
    torch.testing.assert_close(value, expected_value, rtol=1e-12, atol=0)
    assert not value.requires_grad
    for gradient, reference in zip(gradients, expected, strict=True):
        assert not gradient.requires_grad
        assert float((gradient - reference).norm()) <= 1e-10 * float(reference.norm())
    assert float(expected[0].norm()) > 0


@pytest.mark.parametrize(("chunk", "derivative"), [(1, 27.0), (2, 27.0), (3, 27.0), (1, 1.0 + 3.0 + 9.0)])
def test_closed_form_of_a_geometric_sequence(chunk: int, derivative: float) -> None:
    """The derivative of g^3 at g = 3 is 27, with constant states their sum; the second leaf has no influence."""
    leaves, truncated = [torch.tensor(3.0), torch.tensor(5.0)], derivative != 27
    value, gradients = unrolled_gradient(
        lambda state, own, number: state * own[0], torch.ones(1), leaves, 3, lambda s: s[-1].sum(), chunk, truncated
    )
    assert [float(value), *map(float, gradients)] == [27.0, derivative, 0.0]


def test_graph_held_at_once_grows_with_chunk_and_not_with_steps() -> None:
    start, leaves = _leaves()
    longest: dict[tuple[int, int], int] = {}

    def depth_of(steps: int, chunk: int) -> int:
        depths: dict[int, int] = {}

        def step(state: Tensor, inputs: Sequence[Tensor], number: int) -> Tensor:
            moved = _wavy_step(state, inputs, number % STEPS)
            if moved.requires_grad:
                depth = 1 if state.is_leaf else depths[id(state)] + 1
                depths[id(moved)] = depth
                alive.append(moved)  # no id is used twice
                longest[steps, chunk] = max(longest.get((steps, chunk), 0), depth)
            return moved

        alive: list[Tensor] = []
        unrolled_gradient(step, start, leaves, steps, LOSSES["last"], chunk)
        return longest[steps, chunk]

    assert [depth_of(6, 1), depth_of(20, 1)] == [1, 1]
    assert [depth_of(6, 3), depth_of(20, 3)] == [3, 3]
    assert depth_of(20, 20) == 20


def test_start_and_leaves_are_left_as_they_were() -> None:
    start, leaves = _leaves()
    leaves = [leaf.requires_grad_() for leaf in leaves]
    before = [tensor.detach().clone() for tensor in (start, *leaves)]
    for chunk in (1, STEPS):
        unrolled_gradient(_wavy_step, start, leaves, STEPS, LOSSES["several"], chunk)
    assert all(torch.equal(a.detach(), b) for a, b in zip((start, *leaves), before, strict=True))
    assert not start.requires_grad
    assert [leaf.grad for leaf in leaves] == [None, None, None]


@pytest.mark.parametrize("chunk", [1, STEPS])
def test_a_loss_of_the_first_state_alone_has_zero_gradients(chunk: int) -> None:
    start, leaves = _leaves()
    value, gradients = unrolled_gradient(_wavy_step, start, leaves, STEPS, lambda states: states[0].sum(), chunk)
    assert float(value) == float(start.sum())
    assert [float(gradient.abs().sum()) for gradient in gradients] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("chunk", [1, 3, STEPS])
def test_states_after_the_nearest_one_may_be_nan(chunk: int) -> None:
    start, leaves = _leaves()
    target = start + 1.0

    def through(*copies: Tensor) -> list[Tensor]:
        states = [start]
        for number in range(3):
            states.append(_wavy_step(states[-1], copies, number))
        return states

    def step(state: Tensor, copies: Sequence[Tensor], number: int) -> Tensor:
        return _wavy_step(state, copies, number) if number < 3 else torch.sqrt(-(state**2) - 1)

    nearest = min((1, 2, 3), key=lambda i: float((through(*leaves)[i] - target).abs().sum()))
    segment = SimpleNamespace(start=start, target=target)
    value, gradients = unrolled_gradient(
        step, start, leaves, STEPS, lambda states: NearestStepLoss()(states, segment), chunk
    )

    def ratio(*copies: Tensor) -> Tensor:
        return (through(*copies)[nearest] - target).square().sum() / 5  # five parameters, each moved by one

    torch.testing.assert_close(value, ratio(*leaves))
    torch.testing.assert_close(gradients, list(torch.func.grad(ratio, argnums=(0, 1, 2))(*leaves)))


@pytest.mark.parametrize(("steps", "chunk"), [(0, 1), (1, 0), (3, -1)])
def test_no_steps_and_no_chunk_are_refused(steps: int, chunk: int) -> None:
    start, leaves = _leaves()
    with pytest.raises(ValueError, match="at least 1"):
        unrolled_gradient(_wavy_step, start, leaves, steps, LOSSES["last"], chunk)


def _reference_truncated(
    start: Tensor, leaves: list[Tensor], cotangents: dict[int, Tensor], steps: int
) -> list[Tensor]:
    """TESLA (https://arxiv.org/abs/2211.10586): states are constants; a step meets the sum of later cotangents."""
    states = [start]
    for number in range(steps):
        states.append(_wavy_step(states[-1], leaves, number))
    totals = [torch.zeros_like(leaf) for leaf in leaves]
    for number in range(steps):
        cotangent = sum(value for state, value in cotangents.items() if state > number)

        def reached(*copies: Tensor, number: int = number) -> Tensor:
            return _wavy_step(states[number], copies, number)

        _, back = torch.func.vjp(reached, *leaves)
        totals = [total + part for total, part in zip(totals, back(cotangent), strict=True)]
    return totals


@pytest.mark.parametrize("chunk", [1, 3, STEPS])
def test_the_truncated_gradient_treats_states_as_constants(chunk: int) -> None:
    start, leaves = _leaves()
    generator = seeded_generator(1, "cotangents")
    cotangents = {state: torch.randn(5, generator=generator, dtype=torch.float64) for state in (3, STEPS)}

    def loss(states: Sequence[Tensor]) -> Tensor:
        return torch.stack([states[state] @ vector for state, vector in cotangents.items()]).sum()

    value, actual = unrolled_gradient(_wavy_step, start, leaves, STEPS, loss, chunk, truncated=True)
    exact_value, exact = unrolled_gradient(_wavy_step, start, leaves, STEPS, loss, chunk)
    torch.testing.assert_close(value, exact_value)
    for gradient, reference, other in zip(
        actual, _reference_truncated(start, leaves, cotangents, STEPS), exact, strict=True
    ):
        torch.testing.assert_close(gradient, reference)
        assert float((gradient - other).norm()) > 1e-3 * float(other.norm())


def test_truncated_and_exact_agree_for_one_step() -> None:
    start, leaves = _leaves()
    exact, truncated = (
        unrolled_gradient(_wavy_step, start, leaves, 1, LOSSES["last"], 1, truncated=t)[1] for t in (False, True)
    )
    for one, other in zip(exact, truncated, strict=True):
        torch.testing.assert_close(one, other)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    steps=st.integers(1, 9),
    chunk=st.integers(1, 12),
    weights=st.lists(st.sampled_from([0.0, 0.0, -1.5, 0.5, 2.0]), min_size=10, max_size=10),
    seed=st.integers(0, 2**31),
    own_vjp=st.booleans(),
)
def test_any_steps_chunk_and_loss_give_the_gradient_of_one_graph(
    steps: int, chunk: int, weights: list[float], seed: int, own_vjp: bool
) -> None:
    """Property: a loss of any subset of the states, with or without a vector-Jacobian product of the step's own."""
    generator = torch.Generator().manual_seed(seed)
    start, vector = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    leaves = [
        torch.randn(4, 4, generator=generator, dtype=torch.float64),
        torch.randn(steps, 4, generator=generator, dtype=torch.float64),
        torch.tensor(0.2, dtype=torch.float64),
    ]

    def loss(states: Sequence[Tensor]) -> Tensor:
        terms = [w * ((state - vector).square().sum() + state.sin().sum()) for w, state in zip(weights, states)]  # noqa: B905
        return torch.stack(terms).sum()

    def step_vjp(
        state: Tensor, copies: Sequence[Tensor], number: int, cotangent: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        _, back = torch.func.vjp(lambda s, *c: _wavy_step(s, c, number), state, *(copy.detach() for copy in copies))
        by_state, *by_leaves = back(cotangent)
        return by_state, by_leaves

    def through(*copies: Tensor) -> Tensor:
        states = [start]
        for number in range(steps):
            states.append(_wavy_step(states[-1], copies, number))
        return loss(states)

    value, gradients = unrolled_gradient(
        _wavy_step, start, leaves, steps, loss, chunk, step_vjp=step_vjp if own_vjp else None
    )
    torch.testing.assert_close(value, through(*leaves))
    expected = torch.func.grad(through, argnums=(0, 1, 2))(*leaves)
    torch.testing.assert_close(tuple(gradients), expected, rtol=1e-9, atol=1e-9)
