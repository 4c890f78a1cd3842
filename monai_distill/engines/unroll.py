"""The exact gradient through N student steps, at a memory that need not grow with N."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["unrolled_gradient"]

StudentStep = Callable[[Tensor, Sequence[Tensor], int], Tensor]
StateLoss = Callable[[Sequence[Tensor]], Tensor]


def unrolled_gradient(
    step: StudentStep,
    start: Tensor,
    leaves: Sequence[Tensor],
    steps: int,
    loss: StateLoss,
    chunk: int,
    truncated: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Loss of the student states after ``steps`` steps and its exact gradient with respect to ``leaves``.

    The states are recorded without a graph; then ``chunk`` steps at a time are replayed with one, from the last to the
    first, carrying the derivative of the loss with respect to the state between them. ``chunk=steps`` is one graph
    over everything (as in Cazenavette et al. 2022) and needs no replay; ``chunk=1`` holds the graph of one step
    whatever
    ``steps`` is. All chunks give the same gradient to rounding. This is the adjoint (reverse sweep) that Cui et al.
    2023 (TESLA) truncate; here nothing is dropped.

    Args:
        step: pure function (state [P], leaves, step number from 0) -> next state [P]. It must build a graph that can be
            differentiated again whenever its inputs ask for a gradient.
        start: the first state [P].
        leaves: tensors of any shape that the steps depend on (images, labels, step size).
        steps: number of steps N, at least 1.
        loss: function of the N + 1 states to a scalar; it may use any of them.
        chunk: steps per replay, 1 to N (larger is taken as N).
        truncated: the derivative of a step's state by the state before it is taken for the identity (Cui et al.,
            Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory, ICML 2023): an estimate, for
            comparison, exact for one step; ``chunk`` does not matter then.

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
    if chunk >= steps and not truncated:
        return _single_graph(step, start, leaves, steps, loss)
    states = [start.detach()]
    data = [leaf.detach() for leaf in leaves]
    for i in range(steps):
        states.append(step(states[-1], data, i).detach())
    copies = [state.requires_grad_() for state in states]
    value = loss(copies)
    pulls = torch.autograd.grad(value, copies, allow_unused=True)
    if truncated:
        return value.detach(), _added_up(step, states, pulls, leaves)
    return value.detach(), _swept_back(step, states, pulls, leaves, chunk)


def _single_graph(
    step: StudentStep, start: Tensor, leaves: Sequence[Tensor], steps: int, loss: StateLoss
) -> tuple[Tensor, list[Tensor]]:
    copies = [leaf.detach().requires_grad_() for leaf in leaves]
    states = [start.detach()]
    for i in range(steps):
        states.append(step(states[-1], copies, i))
    value = loss(states)
    if not value.requires_grad:  # it looks at the first state alone
        return value, [torch.zeros_like(copy) for copy in copies]
    return value.detach(), list(torch.autograd.grad(value, copies, allow_unused=True, materialize_grads=True))


def _swept_back(
    step: StudentStep, states: list[Tensor], pulls: Sequence[Tensor | None], leaves: Sequence[Tensor], chunk: int
) -> list[Tensor]:
    copies = [leaf.detach().requires_grad_() for leaf in leaves]
    totals = [torch.zeros_like(copy) for copy in copies]
    last = max((i for i, pull in enumerate(pulls) if pull is not None), default=0)  # later states do not matter
    adjoint = pulls[last]
    for low in reversed(range(0, last, chunk)):
        state = states[low].detach().requires_grad_()
        ends, seeds = [state], []
        for i in range(low, min(low + chunk, last)):
            ends.append(step(ends[-1], copies, i))
            seeds.append(pulls[i + 1])  # what the loss asks of a state on the way
        seeds[-1] = adjoint  # of the chunk's last state: everything that comes after it, its own pull included
        reached = [(end, seed) for end, seed in zip(ends[1:], seeds, strict=True) if seed is not None]
        outputs, cotangents = zip(*reached, strict=True)
        adjoint, *grads = torch.autograd.grad(
            outputs, [state, *copies], grad_outputs=cotangents, allow_unused=True, materialize_grads=True
        )
        own = pulls[low]
        if own is not None:
            adjoint = adjoint + own
        for total, grad in zip(totals, grads, strict=True):
            total += grad
    return totals


def _added_up(
    step: StudentStep, states: list[Tensor], pulls: Sequence[Tensor | None], leaves: Sequence[Tensor]
) -> list[Tensor]:
    """As the sweep, but what a step's own state depends on is forgotten: the cotangent passes unchanged."""
    copies = [leaf.detach().requires_grad_() for leaf in leaves]
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
