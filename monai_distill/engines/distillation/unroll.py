"""The exact gradient through N student steps, at a memory that need not grow with N; and TESLA's truncated one."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from monai_distill.runtime.validation import require_positive_int

__all__ = ["unrolled_gradient"]

Step = Callable[[Tensor, Sequence[Tensor], int], Tensor]
StateLoss = Callable[[Sequence[Tensor]], Tensor]
StepVJP = Callable[[Tensor, Sequence[Tensor], int, Tensor], tuple[Tensor, Sequence[Tensor]]]
# (low, high, cotangents of states low + 1 to high) -> cotangent of state low (None for the start) and of every leaf
BlockVJP = Callable[[int, int, Mapping[int, Tensor]], tuple[Tensor | None, Sequence[Tensor]]]


def unrolled_gradient(
    step: Step,
    start: Tensor,
    leaves: Sequence[Tensor],
    steps: int,
    loss: StateLoss,
    chunk: int,
    truncated: bool = False,
    step_vjp: StepVJP | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Loss of the student states after ``steps`` steps and its exact gradient with respect to ``leaves``.

    The states are recorded without a graph. Then blocks of ``chunk`` steps are replayed with a graph, from the last to
    the first, and the cotangent of the state between two blocks is carried along (reverse-mode differentiation with
    checkpoints). The last block keeps the graph of the forward pass, so that N - chunk steps are computed twice.
    ``chunk=steps`` is one graph over everything, as in MTT. ``chunk=1`` holds the graph of one step whatever ``steps``
    is. All chunks give the same gradient to rounding.

    References:
        MTT: Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
        https://arxiv.org/abs/2203.11932 (the gradient that is computed here).
        TESLA: Cui et al., Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory, ICML 2023,
        https://arxiv.org/abs/2211.10586 (``truncated=True``).

    Deviation: TESLA treats a state as independent of the states before it, which drops the factors I - lr * Hessian of
    the later steps. The sweep here needs the same memory and drops nothing; ``truncated=True`` gives TESLA's estimate
    for comparison. Its program halves the image gradient by mistake; this function does not.

    Args:
        step: pure function of (state [P] or, of several students, [S, P]; leaves; step number from 0) to the next state
            of the same shape. It builds a differentiable graph whenever one of its inputs requires a gradient.
        start: the first state.
        leaves: tensors of any shape that the steps depend on (images, labels, learning rate).
        steps: number of steps N, at least 1.
        loss: function of the N + 1 states to a scalar; it may use any of them.
        chunk: steps per replay, 1 to N (a larger one counts as N).
        truncated: TESLA's estimate, which is exact for one step; ``chunk`` has no effect then.
        step_vjp: function of (state, leaves, step number, cotangent of the next state) to the cotangents of the state
            and of every leaf, for a step that can be differentiated in less memory than its graph takes. It is used
            where ``chunk`` is 1.

    Returns:
        The detached loss and one gradient per leaf (zeros where the loss does not depend on it).

    Raises:
        ValueError: if ``steps`` or ``chunk`` is below 1.

    Example:
        >>> gain = torch.tensor(2.0)
        >>> step = lambda state, leaves, number: state * leaves[0]
        >>> value, grads = unrolled_gradient(step, torch.ones(1), [gain], 3, lambda states: states[-1].sum(), 1)
        >>> float(value), float(grads[0])
        (8.0, 12.0)
    """
    require_positive_int(steps=steps, chunk=chunk)
    step_by_step = truncated or (chunk == 1 and step_vjp is not None)
    tail_start = steps if step_by_step else max(steps - chunk, 0)  # the last block keeps its graph
    states, data = [start.detach()], [leaf.detach() for leaf in leaves]
    for number in range(tail_start):
        states.append(step(states[-1], data, number).detach())
    data = [leaf.requires_grad_() for leaf in data]
    tail = _replayed(step, states[tail_start], data, tail_start, steps)
    states += [state.detach() for state in tail[1:]]
    value, cotangents = _state_cotangents(loss, states)
    vjp: BlockVJP
    if truncated:
        vjp = _truncated_vjp(step, states, data)
    elif chunk == 1 and step_vjp is not None:
        vjp = _delegated_vjp(step_vjp, states, data)
    else:
        vjp = _replaying_vjp(step, states, data, tail)
    last = max(cotangents, default=0)  # later states have no influence
    blocks = _blocks(last, tail_start, 1 if step_by_step else chunk)
    return value, _reverse_sweep(vjp, blocks, cotangents, data)


def _state_cotangents(loss: StateLoss, states: Sequence[Tensor]) -> tuple[Tensor, dict[int, Tensor]]:
    """The detached loss and its derivative with respect to every state that it uses, by the state's number."""
    inputs = [state.detach().requires_grad_() for state in states]
    value = loss(inputs)
    if not value.requires_grad:
        return value.detach(), {}
    gradients = torch.autograd.grad(value, inputs, allow_unused=True)
    return value.detach(), {i: gradient for i, gradient in enumerate(gradients) if gradient is not None}


def _blocks(last: int, tail_start: int, chunk: int) -> Iterator[tuple[int, int]]:
    """Blocks (low, high) of steps from the last state to the first; the graph of the first block may exist."""
    high = last
    while high > 0:
        low = tail_start if high > tail_start else max(high - chunk, 0)
        yield low, high
        high = low


def _reverse_sweep(
    vjp: BlockVJP, blocks: Iterator[tuple[int, int]], cotangents: dict[int, Tensor], leaves: Sequence[Tensor]
) -> list[Tensor]:
    """The gradients of the leaves; ``cotangents`` grows by those of the states between two blocks."""
    totals = [torch.zeros_like(leaf) for leaf in leaves]
    for low, high in blocks:
        later = {state: value for state, value in cotangents.items() if low < state <= high}
        by_state, by_leaves = vjp(low, high, later)
        for total, gradient in zip(totals, by_leaves, strict=True):
            total += gradient
        if by_state is not None:
            cotangents[low] = by_state + cotangents[low] if low in cotangents else by_state
    return totals


def _replayed(step: Step, state: Tensor, leaves: Sequence[Tensor], low: int, high: int) -> list[Tensor]:
    """States ``low`` to ``high`` with a graph that ends at the first of them (the start needs no gradient)."""
    states = [state.detach().requires_grad_(low > 0)]
    for number in range(low, high):
        states.append(step(states[-1], leaves, number))
    return states


def _replaying_vjp(step: Step, states: Sequence[Tensor], leaves: Sequence[Tensor], tail: list[Tensor]) -> BlockVJP:
    """Differentiates the graph of a block: the existing one of the last block, a replayed one of every other."""
    tail_start = len(states) - len(tail)

    def vjp(low: int, high: int, cotangents: Mapping[int, Tensor]) -> tuple[Tensor | None, Sequence[Tensor]]:
        # the loss may use an earlier state than the last, and then only a part of the graph, or none of it
        graph = tail[: high - low + 1] if high > tail_start else None
        tail.clear()
        graph = _replayed(step, states[low], leaves, low, high) if graph is None else graph
        gradients = torch.autograd.grad(
            [graph[state - low] for state in cotangents],
            [*leaves, *(graph[:1] if low else [])],
            grad_outputs=list(cotangents.values()),
            allow_unused=True,
            materialize_grads=True,
        )
        return gradients[len(leaves)] if low else None, gradients[: len(leaves)]

    return vjp


def _delegated_vjp(step_vjp: StepVJP, states: Sequence[Tensor], leaves: Sequence[Tensor]) -> BlockVJP:
    """Blocks of one step, differentiated by the function that came with the step."""

    def vjp(low: int, high: int, cotangents: Mapping[int, Tensor]) -> tuple[Tensor | None, Sequence[Tensor]]:
        return step_vjp(states[low], leaves, low, cotangents[high])

    return vjp


def _truncated_vjp(step: Step, states: Sequence[Tensor], leaves: Sequence[Tensor]) -> BlockVJP:
    """Blocks of one step whose derivative with respect to its state counts as the identity (TESLA)."""

    def vjp(low: int, high: int, cotangents: Mapping[int, Tensor]) -> tuple[Tensor | None, Sequence[Tensor]]:
        end = step(states[low].detach(), leaves, low)
        gradients = torch.autograd.grad(end, leaves, cotangents[high], allow_unused=True, materialize_grads=True)
        return cotangents[high], gradients

    return vjp
