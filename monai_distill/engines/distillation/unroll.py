"""The exact gradient through N student steps, at a memory that need not grow with N."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["unrolled_gradient"]

StudentStep = Callable[[Tensor, Sequence[Tensor], int], Tensor]
StateLoss = Callable[[Sequence[Tensor]], Tensor]
StepPull = Callable[[Tensor, Sequence[Tensor], int, Tensor], tuple[Tensor, Sequence[Tensor]]]


def unrolled_gradient(
    step: StudentStep,
    start: Tensor,
    leaves: Sequence[Tensor],
    steps: int,
    loss: StateLoss,
    chunk: int,
    truncated: bool = False,
    pull: StepPull | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Loss of the student states after ``steps`` steps and its exact gradient with respect to ``leaves``.

    The states are recorded without a graph; then ``chunk`` steps at a time are replayed with one, from the last to the
    first, carrying the derivative of the loss with respect to the state between them; the last chunk keeps its graph,
    so a chunk of c steps costs N - c replays. ``chunk=steps`` is one graph over everything (as in Cazenavette et al.
    2022); ``chunk=1`` holds the graph of one step whatever ``steps`` is, and with ``pull`` that of a part of it. All
    chunks give the same gradient to rounding. This is the adjoint (reverse sweep) that Cui et al. 2023 (TESLA)
    truncate; here nothing is dropped.

    Args:
        step: pure function (state [P] or, of several students, [S, P]; leaves; step number from 0) -> next state of
            the same shape. It must build a graph that can be differentiated again whenever its inputs ask for a
            gradient.
        start: the first state.
        leaves: tensors of any shape that the steps depend on (images, labels, learning rate).
        steps: number of steps N, at least 1.
        loss: function of the N + 1 states to a scalar; it may use any of them.
        chunk: steps per replay, 1 to N (larger is taken as N).
        truncated: the derivative of a step's state by the state before it is taken for the identity (Cui et al.,
            Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory, ICML 2023): an estimate, for
            comparison, exact for one step; ``chunk`` does not matter then.
        pull: (state, leaves, step number, cotangent of the next state) -> the cotangent of the state and of every
            leaf, for a step whose owner can do with less memory than its graph takes; used where ``chunk`` is 1.

    Returns:
        The detached loss and one gradient per leaf (zeros where the loss does not depend on it).

    Raises:
        ValueError: when steps or chunk is below 1.

    Example:
        >>> gain = torch.tensor(2.0)
        >>> step = lambda state, leaves, number: state * leaves[0]
        >>> value, grads = unrolled_gradient(step, torch.ones(1), [gain], 3, lambda states: states[-1].sum(), 1)
        >>> float(value), float(grads[0])
        (8.0, 12.0)
    """
    if steps < 1 or chunk < 1:
        raise ValueError(f"Expected at least 1 student step and a chunk of at least 1, got {steps} and {chunk}.")
    whole = truncated or (chunk == 1 and pull is not None)
    first = steps if whole else max(steps - chunk, 0)  # the last chunk keeps the graph that it has
    states, data = [start.detach()], [leaf.detach() for leaf in leaves]
    for i in range(first):
        states.append(step(states[-1], data, i).detach())
    copies = [leaf.requires_grad_() for leaf in data]
    tail = _replayed(step, states[first], copies, first, steps)
    states += [state.detach() for state in tail[1:]]
    ends = [state.detach().requires_grad_() for state in states]
    value = loss(ends)
    pulls = torch.autograd.grad(value, ends, allow_unused=True) if value.requires_grad else [None] * len(ends)
    if truncated:
        return value.detach(), _added_up(step, states, pulls, copies)
    if whole and pull is not None:
        return value.detach(), _pulled_back(pull, states, pulls, data)
    return value.detach(), _swept_back(step, states, pulls, copies, chunk, tail)


def _replayed(step: StudentStep, state: Tensor, copies: Sequence[Tensor], low: int, high: int) -> list[Tensor]:
    """States ``low`` to ``high`` with a graph that ends at the first of them (the start itself needs no gradient)."""
    ends = [state.detach().requires_grad_(low > 0)]
    for i in range(low, high):
        ends.append(step(ends[-1], copies, i))
    return ends


def _swept_back(
    step: StudentStep,
    states: list[Tensor],
    pulls: Sequence[Tensor | None],
    copies: list[Tensor],
    chunk: int,
    tail: list[Tensor],
) -> list[Tensor]:
    totals = [torch.zeros_like(copy) for copy in copies]
    last = max((i for i, pull in enumerate(pulls) if pull is not None), default=0)  # later states do not matter
    adjoint, high = pulls[last], last
    first = len(states) - len(tail)  # where the graph that is there begins
    if last <= first:
        tail.clear()
    while high > 0:
        low = first if high > first else max(high - chunk, 0)
        ends = tail[: high - low + 1] if tail else _replayed(step, states[low], copies, low, high)
        tail.clear()
        cotangents = [*pulls[low + 1 : high], adjoint]  # of states on the way; the last stands for all that comes after
        reached = [(end, pull) for end, pull in zip(ends[1:], cotangents, strict=True) if pull is not None]
        grads = torch.autograd.grad(
            [end for end, _ in reached],
            [*copies, *(ends[:1] if low else [])],
            grad_outputs=[pull for _, pull in reached],
            allow_unused=True,
            materialize_grads=True,
        )
        for total, grad in zip(totals, grads, strict=False):
            total += grad
        high = low
        if low:
            own = pulls[low]
            adjoint = grads[-1] if own is None else grads[-1] + own
    return totals


def _pulled_back(
    pull_step: StepPull, states: list[Tensor], pulls: Sequence[Tensor | None], data: Sequence[Tensor]
) -> list[Tensor]:
    """As the sweep, with the derivative of a step computed by the step's owner."""
    totals = [torch.zeros_like(leaf) for leaf in data]
    last = max((i for i, pull in enumerate(pulls) if pull is not None), default=0)
    adjoint = pulls[last]
    for i in reversed(range(last)):
        assert adjoint is not None  # a chain that begins with a pull
        adjoint, grads = pull_step(states[i], data, i, adjoint)
        own = pulls[i]
        if own is not None:
            adjoint = adjoint + own
        for total, grad in zip(totals, grads, strict=True):
            total += grad
    return totals


def _added_up(
    step: StudentStep, states: list[Tensor], pulls: Sequence[Tensor | None], copies: list[Tensor]
) -> list[Tensor]:
    """As the sweep, but what a step's own state depends on is forgotten: the cotangent passes unchanged."""
    totals = [torch.zeros_like(copy) for copy in copies]
    adjoint = torch.zeros_like(states[0])
    for i in reversed(range(len(states) - 1)):
        own = pulls[i + 1]
        if own is not None:
            adjoint = adjoint + own
        end = step(states[i].detach(), copies, i)
        grads = torch.autograd.grad(end, copies, adjoint, allow_unused=True, materialize_grads=True)
        for total, grad in zip(totals, grads, strict=True):
            total += grad
    return totals
