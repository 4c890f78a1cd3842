"""Gradient of a loss with respect to the flat parameters, by the fastest available backend."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from .cuda_graphs import CUDA_GRAPHS, Recorded
from .flat_network import FlatNetwork

__all__ = ["COMPILER_MODES", "MODES", "in_parts", "parameter_gradient", "through_compiler"]

COMPILER_MODES = ("reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")  # next to its default
MODES = (*COMPILER_MODES, CUDA_GRAPHS)  # of the settings
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def through_compiler(function: Callable[Arguments, Result], how: bool | str) -> Callable[Arguments, Result]:
    """``function`` compiled for every shape of its arguments, or unchanged.

    Args:
        function: of tensors. With CUDA graphs its results must be used, or copied, before the next call.
        how: False for no compilation; True; or a mode of ``torch.compile``. The mode ``reduce-overhead`` records CUDA
            graphs on a GPU and equals True on a CPU.

    Raises:
        ValueError: if ``how`` is another word.

    Example:
        >>> through_compiler(len, False) is len
        True
    """
    if isinstance(how, str) and how not in COMPILER_MODES:
        raise ValueError(
            f"Expected true, false or one of {', '.join(COMPILER_MODES)} for compiling, got {how!r}. Use one of them."
        )
    if not how:
        return function
    made: Callable[Arguments, Result] = torch.compile(
        function, dynamic=False, mode=how if isinstance(how, str) else None
    )
    return made


Loss = Callable[..., tuple[Tensor, Tensor]]


def parameter_gradient(loss: Loss, *, for_vmap: bool, compiled: bool | str = False) -> Loss:
    """A function of (parameters [P], ...) to the gradient [P] of ``loss`` and the second result of ``loss``.

    Args:
        loss: maps (parameters, ...) to a scalar and a detached tensor, which is returned as well.
        for_vmap: the result will be mapped over several networks by ``torch.func.vmap`` and is made with
            ``torch.func.grad``, which stores a graph for a second derivative. Plain autograd does not, and is a sixth
            to a third faster on a CPU.
        compiled: whether and how to compile the loss (see :func:`through_compiler`), or ``cuda-graphs`` for a recording
            of the whole function (see :class:`~monai_distill.networks.cuda_graphs.Recorded`). Compiling needs a C++
            compiler and half a minute the first time; the gradient differs by rounding. Measured with a ConvNet of
            width 32 on 80 images of 3x28x28, one thread: 34 ms without, 20 ms with.

    Raises:
        ValueError: if both ``for_vmap`` and ``compiled`` are set.

    Example:
        >>> double = parameter_gradient(lambda p: ((p * p).sum(), p.detach()), for_vmap=False)
        >>> double(torch.ones(2))[0].tolist()
        [2.0, 2.0]
    """
    if for_vmap and compiled:
        raise ValueError("Expected either for_vmap or compiled, got both. Leave one out.")
    if for_vmap:
        return torch.func.grad(loss, has_aux=True)
    if compiled == CUDA_GRAPHS:
        recorded = Recorded(parameter_gradient(loss, for_vmap=False))

        def replayed(*arguments: Tensor) -> tuple[Tensor, Tensor]:
            value, note = recorded(*arguments)
            return value, note

        return replayed
    function = through_compiler(loss, compiled)

    def gradient(parameters: Tensor, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = parameters.detach().requires_grad_()
            value, note = function(leaf, *arguments)
        result = torch.autograd.grad(value, leaf)[0]
        # a mode may record CUDA graphs, whose next call overwrites the results of this one
        return (result.clone(), note.clone()) if isinstance(compiled, str) else (result, note)

    return gradient


def in_parts(gradient: Loss, network: FlatNetwork, networks: int = 1) -> Loss:
    """``gradient`` (see :func:`parameter_gradient`) in parts of a batch that fit the network's memory budget.

    The results are means over the images, so that the parts' results, weighted by their shares, add up to those of the
    whole batch.

    Args:
        gradient: maps (parameters [P], images [B, ...], targets [B, ...]) to two means over the images.
        network: of the gradient. One that mixes the images of a batch (dropout, batch norm) gets whole batches.
        networks: networks that run in one call.

    Example:
        >>> from monai_distill.runtime.micro_batches import MicroBatches
        >>> network = FlatNetwork(lambda: torch.nn.Linear(2**16, 1), MicroBatches(budget=1.0))
        >>> loss = lambda vector, images, targets: (network(vector, images).mean(), targets.mean())
        >>> gradient = in_parts(parameter_gradient(loss, for_vmap=False), network)
        >>> value, note = gradient(network.initial(0), torch.ones(10, 2**16), torch.arange(10.0))
        >>> float(value[0]), float(note)
        (1.0, 4.5)
    """

    def mean(parameters: Tensor, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        count, most = len(images), network.images_at_once(images.shape[1:], networks)

        def part(rows: slice) -> tuple[Tensor, Tensor]:
            value, note = gradient(parameters, images[rows], targets[rows])
            share = (rows.stop - rows.start) / count
            return (value, note) if share == 1 else (share * value, share * note)

        parts = network.memory.over(count, most, part, at_once=not network.is_separable)
        value, note = next(parts)
        for more_value, more_note in parts:
            value, note = value + more_value, note + more_note
        return value, note

    return mean
